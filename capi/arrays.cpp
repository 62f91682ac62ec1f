// Handles of arrays: made, shared, freed, asked, evaluated, indexed.
#include <cstdlib>
#include <cstring>
#include <limits>

#include "capi/convert.h"
#include "melix/ops/indexing.h"
#include "melix/ops/shape.h"
#include "melix/transforms/eval.h"

static_assert(melix::kDtypes == MELIX_COMPLEX64 + 1);
// The numbers of the C interface are those of the library; a row in the middle of dtype.inc would shift them.
static_assert(int(melix::float16) == MELIX_FLOAT16 && int(melix::bfloat16) == MELIX_BFLOAT16 &&
              int(melix::int8) == MELIX_INT8 && int(melix::uint64) == MELIX_UINT64 &&
              int(melix::bool_) == MELIX_BOOL && int(melix::float32) == MELIX_FLOAT32 &&
              int(melix::complex64) == MELIX_COMPLEX64);
static_assert(int(melix::Scatter::divide) == MELIX_UPDATE_DIVIDE &&
              int(melix::Scatter::min) == MELIX_UPDATE_MINIMUM &&
              int(melix::Scatter::prod) == MELIX_UPDATE_MULTIPLY &&
              int(melix::Scatter::add) == MELIX_UPDATE_ADD);

namespace melix::c {

void give(melix_array* out, array value) { *out = new melix_array_s{std::move(value)}; }

void give(melix_arrays* out, const std::vector<array>& values) {
  *out = {};
  if (values.empty()) return;
  melix_arrays made{static_cast<melix_array*>(std::malloc(values.size() * sizeof(melix_array))), 0};
  if (!made.data) throw std::bad_alloc();
  try {
    for (; made.size < values.size(); made.size++) give(&made.data[made.size], values[made.size]);
  } catch (...) {
    melix_arrays_free(&made);
    throw;
  }
  *out = made;
}

const array& in(const char* op, melix_array a) {
  if (!a) fail(Code::value, op, "an array is NULL");
  return a->value;
}

std::vector<array> in(const char* op, const melix_array* arrays, size_t size) {
  check_list(op, arrays, size);
  std::vector<array> out;
  out.reserve(size);
  for (size_t i = 0; i < size; i++) out.push_back(in(op, arrays[i]));
  return out;
}

StreamOrDevice in(melix_stream stream) {
  if (stream.device_type == MELIX_DEFAULT_DEVICE) return {};
  if (stream.device_type != MELIX_DEVICE_CPU && stream.device_type != MELIX_DEVICE_GPU)
    fail(Code::value, "stream", stream.device_type, " is no kind of device");
  Device device{stream.device_type == MELIX_DEVICE_CPU ? Device::cpu : Device::gpu, stream.device_index};
  if (stream.index < 0) return device;
  return Stream{stream.index, device};
}

Dtype in(const char* op, melix_dtype dtype) {
  if (int(dtype) < 0 || int(dtype) >= kDtypes) fail(Code::value, op, int(dtype), " is no dtype");
  return Dtype(dtype);
}

namespace {

Shape shape_of(const char* op, const int64_t* shape, size_t ndim) {
  Shape out = Argument<Shape>::get(op, shape, ndim);
  elements(op, out);  // checks
  return out;
}

Index index_of(const char* op, const melix_index_entry* entries, size_t size) {
  check_list(op, entries, size);
  auto bound = [](int64_t v) { return v == MELIX_MISSING ? std::nullopt : std::optional<int64_t>(v); };
  Index out;
  for (size_t i = 0; i < size; i++) {
    const melix_index_entry& e = entries[i];
    switch (e.kind) {
      case MELIX_INDEX_INTEGER:
        out.emplace_back(e.start);
        break;
      case MELIX_INDEX_SLICE:
        out.emplace_back(Slice{bound(e.start), bound(e.stop), bound(e.step)});
        break;
      case MELIX_INDEX_NEW_AXIS:
        out.emplace_back(NewAxis{});
        break;
      case MELIX_INDEX_ELLIPSIS:
        out.emplace_back(Ellipsis{});
        break;
      case MELIX_INDEX_ARRAY:
        out.emplace_back(in(op, e.array));
        break;
      default:
        fail(Code::value, op, "entry ", i, " is of kind ", int(e.kind), ", which does not exist");
    }
  }
  return out;
}

template <class T>
melix_status item(T* out, melix_array a) {
  return guarded([&] { *out = in("item", a).item<T>(); });
}

}  // namespace
}  // namespace melix::c

using namespace melix;
using namespace melix::c;

size_t melix_dtype_size(melix_dtype dtype) {
  return int(dtype) >= 0 && int(dtype) < kDtypes ? size_of(Dtype(dtype)) : 0;
}
const char* melix_dtype_name(melix_dtype dtype) {
  return int(dtype) >= 0 && int(dtype) < kDtypes ? name_of(Dtype(dtype)).data() : nullptr;
}

melix_status melix_array_new(melix_array* out, const void* data, const int64_t* shape, size_t ndim,
                             melix_dtype dtype) {
  *out = nullptr;
  return guarded([&] {
    View view = allocate_view(shape_of("array", shape, ndim), in("array", dtype));
    check_list("array", data, view.nbytes());
    if (data) std::memcpy(view.data(), data, view.nbytes());
    give(out, array(std::move(view)));
  });
}

melix_status melix_array_wrap(melix_array* out, const void* data, const int64_t* shape, size_t ndim,
                              melix_dtype dtype, void (*release)(void*), void* owner) {
  *out = nullptr;
  return guarded([&] {
    View view{
        .shape = shape_of("array", shape, ndim), .strides = {}, .buffer = {}, .dtype = in("array", dtype)};
    view.strides = row_major(view.shape);
    check_list("array", data, view.nbytes());
    // The owner learns of the end through the buffer alone, and not before everything that may fail is done.
    struct Owner {
      void (*release)(void*);
      void* owner;
    };
    auto kept = std::make_unique<Owner>();
    auto release_owner = [](void* pointer) {
      std::unique_ptr<Owner> owned(static_cast<Owner*>(pointer));
      if (owned->release) owned->release(owned->owner);
    };
    view.buffer = Buffer::adopt(const_cast<void*>(data), view.nbytes(), release_owner, kept.get(), false);
    Owner& ours = *kept.release();
    give(out, array(std::move(view)));
    ours = {release, owner};
  });
}

melix_status melix_array_from_bool(melix_array* out, bool value) {
  *out = nullptr;
  return guarded([&] { give(out, array(value)); });
}
melix_status melix_array_from_int(melix_array* out, int64_t value, melix_dtype dtype) {
  *out = nullptr;
  return guarded([&] { give(out, array(value, in("array", dtype))); });
}
melix_status melix_array_from_double(melix_array* out, double value, melix_dtype dtype) {
  *out = nullptr;
  return guarded([&] { give(out, array(value, in("array", dtype))); });
}
melix_status melix_array_from_complex(melix_array* out, float real, float imaginary) {
  *out = nullptr;
  return guarded([&] { give(out, array(complex64_t(real, imaginary))); });
}

melix_status melix_array_share(melix_array* out, melix_array a) {
  *out = nullptr;
  return guarded([&] { give(out, in("array", a)); });
}
void melix_array_free(melix_array a) { delete a; }

melix_dtype melix_array_dtype(melix_array a) { return a ? melix_dtype(a->value.dtype()) : MELIX_BOOL; }
size_t melix_array_ndim(melix_array a) { return a ? a->value.ndim() : 0; }
const int64_t* melix_array_shape(melix_array a) { return a ? a->value.shape().data() : nullptr; }
int64_t melix_array_size(melix_array a) { return a ? a->value.size() : 0; }
size_t melix_array_nbytes(melix_array a) { return a ? a->value.nbytes() : 0; }

melix_status melix_array_view(melix_array a, const void** data, const int64_t** strides) {
  *data = nullptr;
  return guarded([&] {
    const View& view = in("view", a).view();
    *data = view.data();
    if (strides) *strides = view.strides.data();
  });
}

melix_status melix_array_read(melix_array a, void* to, size_t nbytes) {
  return guarded([&] {
    const array& from = in("read", a);
    if (nbytes != from.nbytes())
      fail(Code::value, "read", "the array has ", from.nbytes(), " bytes, not ", nbytes);
    check_list("read", to, nbytes);
    const array rows = contiguous(from);
    if (nbytes > 0) std::memcpy(to, rows.view().data(), nbytes);
  });
}

melix_status melix_array_item_bool(bool* out, melix_array a) { return item(out, a); }
melix_status melix_array_item_int(int64_t* out, melix_array a) { return item(out, a); }
melix_status melix_array_item_double(double* out, melix_array a) { return item(out, a); }

melix_status melix_arrays_append(melix_arrays* arrays, melix_array a) {
  return guarded([&] {
    const array& value = in("append", a);
    void* grown = std::realloc(arrays->data, (arrays->size + 1) * sizeof(melix_array));
    if (!grown) throw std::bad_alloc();
    arrays->data = static_cast<melix_array*>(grown);
    give(&arrays->data[arrays->size], value);
    arrays->size++;
  });
}

void melix_arrays_free(melix_arrays* arrays) {
  for (size_t i = 0; i < arrays->size; i++) melix_array_free(arrays->data[i]);
  std::free(arrays->data);
  *arrays = {};
}

melix_status melix_eval(const melix_array* arrays, size_t size) {
  return guarded([&] { eval(in("eval", arrays, size)); });
}
melix_status melix_async_eval(const melix_array* arrays, size_t size) {
  return guarded([&] { async_eval(in("async_eval", arrays, size)); });
}

melix_status melix_index(melix_array* out, melix_array a, const melix_index_entry* entries, size_t size,
                         melix_stream stream) {
  *out = nullptr;
  return guarded([&] { give(out, index(in("index", a), index_of("index", entries, size), in(stream))); });
}

melix_status melix_index_update(melix_array* out, melix_array a, const melix_index_entry* entries,
                                size_t size, melix_array values, melix_update update, melix_stream stream) {
  *out = nullptr;
  return guarded([&] {
    constexpr const char* op = "index_update";
    if (int(update) < 0 || update > MELIX_UPDATE_DIVIDE)
      fail(Code::value, op, int(update), " is no way to update");
    give(out,
         index_update(in(op, a), index_of(op, entries, size), in(op, values), Scatter(update), in(stream)));
  });
}
