// Functions of arrays and their transforms.
#include "capi/convert.h"
#include "melix/transforms/autodiff.h"
#include "melix/transforms/compile/compile.h"
#include "melix/transforms/custom.h"
#include "melix/transforms/vmap.h"

struct melix_function_s {
  melix::Function call;
};

namespace melix::c {
namespace {

const Function& function_in(const char* op, melix_function f) {
  if (!f) fail(Code::value, op, "the function is NULL");
  return f->call;
}

void give_function(melix_function* out, Function call) { *out = new melix_function_s{std::move(call)}; }

Code code_of(melix_status status) {
  switch (status) {
    case MELIX_VALUE_ERROR:
      return Code::value;
    case MELIX_TYPE_ERROR:
      return Code::type;
    case MELIX_INDEX_ERROR:
      return Code::index;
    case MELIX_MEMORY_ERROR:
      return Code::memory;
    case MELIX_IO_ERROR:
      return Code::io;
    default:
      return Code::runtime;
  }
}

// The error that a callback left behind, with its "[op] " in front once.
[[noreturn]] void rethrow(melix_status status) {
  std::string op = melix_error_op(), text = melix_error_text();
  const std::string head = "[" + op + "] ";
  if (!op.empty() && text.starts_with(head)) text.erase(0, head.size());
  throw Error(code_of(status), op.empty() ? "callback" : op, text.empty() ? "a callback failed" : text);
}

// A callback, its context and what ends it.
class Callback {
 public:
  Callback(melix_callback callback, void* context) : callback_(callback), context_(context) {}
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;
  ~Callback() {
    if (release_) release_(context_);
  }

  /// From now on the context is ours to release.
  void own(void (*release)(void*)) { release_ = release; }

  std::vector<array> operator()(const std::vector<array>& inputs) const {
    struct Handles : melix_arrays {
      Handles() : melix_arrays{} {}
      Handles(const Handles&) = delete;
      Handles& operator=(const Handles&) = delete;
      ~Handles() { melix_arrays_free(this); }
    } given, made;
    give(&given, inputs);
    melix_set_error(MELIX_OK, "", "");
    if (melix_status status = callback_(context_, given.data, given.size, &made)) rethrow(status);
    return in("callback", made.data, made.size);
  }

 private:
  melix_callback callback_;
  void* context_;
  void (*release_)(void*) = nullptr;
};

std::vector<array> joined(std::initializer_list<const std::vector<array>*> lists) {
  std::vector<array> out;
  for (const std::vector<array>* list : lists) out.insert(out.end(), list->begin(), list->end());
  return out;
}

MaybeAxesList axes_in(const char* op, const int* axes, size_t size) {
  check_list(op, axes, size);
  MaybeAxesList out;
  for (size_t i = 0; i < size; i++)
    out.push_back(axes[i] == MELIX_NO_AXIS ? std::nullopt : std::optional<int>(axes[i]));
  return out;
}

// Both or none.
void give_two(melix_arrays* first, melix_arrays* second,
              const std::pair<std::vector<array>, std::vector<array>>& from) {
  give(first, from.first);
  try {
    give(second, from.second);
  } catch (...) {
    melix_arrays_free(first);
    throw;
  }
}

}  // namespace
}  // namespace melix::c

using namespace melix;
using namespace melix::c;

melix_status melix_function_new(melix_function* out, melix_callback callback, void* context,
                                void (*release)(void*)) {
  *out = nullptr;
  return guarded([&] {
    if (!callback) fail(Code::value, "function", "the callback is NULL");
    auto shared = std::make_shared<Callback>(callback, context);
    give_function(out, [shared](const std::vector<array>& inputs) { return (*shared)(inputs); });
    shared->own(release);
  });
}

void melix_function_free(melix_function f) { delete f; }

melix_status melix_function_call(melix_arrays* out, melix_function f, const melix_array* inputs,
                                 size_t size) {
  *out = {};
  return guarded([&] { give(out, function_in("call", f)(in("call", inputs, size))); });
}

melix_status melix_vjp(melix_arrays* values, melix_arrays* gradients, melix_function f,
                       const melix_array* primals, size_t primals_size, const melix_array* cotangents,
                       size_t cotangents_size) {
  *values = *gradients = {};
  return guarded([&] {
    give_two(
        values, gradients,
        vjp(function_in("vjp", f), in("vjp", primals, primals_size), in("vjp", cotangents, cotangents_size)));
  });
}

melix_status melix_jvp(melix_arrays* values, melix_arrays* derivatives, melix_function f,
                       const melix_array* primals, size_t primals_size, const melix_array* tangents,
                       size_t tangents_size) {
  *values = *derivatives = {};
  return guarded([&] {
    give_two(
        values, derivatives,
        jvp(function_in("jvp", f), in("jvp", primals, primals_size), in("jvp", tangents, tangents_size)));
  });
}

melix_status melix_value_and_grad(melix_arrays* values, melix_arrays* gradients, melix_function f,
                                  const melix_array* inputs, size_t inputs_size, const int* argnums,
                                  size_t argnums_size) {
  *values = *gradients = {};
  return guarded([&] {
    constexpr const char* op = "value_and_grad";
    auto transformed =
        value_and_grad(function_in(op, f), Argument<std::vector<int>>::get(op, argnums, argnums_size));
    give_two(values, gradients, transformed(in(op, inputs, inputs_size)));
  });
}

melix_status melix_vmap(melix_function* out, melix_function f, const int* in_axes, size_t in_axes_size,
                        const int* out_axes, size_t out_axes_size) {
  *out = nullptr;
  return guarded([&] {
    give_function(out, vmap(function_in("vmap", f), axes_in("vmap", in_axes, in_axes_size),
                            axes_in("vmap", out_axes, out_axes_size)));
  });
}

melix_status melix_compile(melix_function* out, melix_function f) {
  *out = nullptr;
  return guarded([&] { give_function(out, compile(function_in("compile", f))); });
}

melix_status melix_checkpoint(melix_function* out, melix_function f) {
  *out = nullptr;
  return guarded([&] { give_function(out, checkpoint(function_in("checkpoint", f))); });
}

melix_status melix_custom_function(melix_function* out, melix_function f, melix_function vjp,
                                   melix_function jvp) {
  *out = nullptr;
  return guarded([&] {
    CustomRules rules;
    if (vjp) {
      rules.vjp = [call = vjp->call](const std::vector<array>& primals, const std::vector<array>& cotangents,
                                     const std::vector<array>& outputs) {
        return call(joined({&primals, &cotangents, &outputs}));
      };
    }
    if (jvp) {
      rules.jvp = [call = jvp->call](const std::vector<array>& primals, const std::vector<array>& tangents) {
        return call(joined({&primals, &tangents}));
      };
    }
    give_function(out, custom_function(function_in("custom_function", f), std::move(rules)));
  });
}
