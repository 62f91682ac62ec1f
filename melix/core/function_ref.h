// function_ref: a callable seen through two words, without owning or copying it. For parameters that are called before
// the function returns; whoever keeps one longer keeps a dangling reference.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace melix {

template <class Signature>
class function_ref;

template <class R, class... A>
class function_ref<R(A...)> {
 public:
  /// A lambda, a function object or a function; never null. `callable` has to outlive this object.
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, function_ref> && std::is_invocable_r_v<R, F&, A...>)
      function_ref(F&& callable)
  noexcept {
    using Callable = std::remove_reference_t<F>;
    using Function = std::remove_pointer_t<std::remove_cv_t<Callable>>;
    if constexpr (std::is_function_v<Function>) {
      Function* function = callable;  // kept by value: the pointer itself may be a temporary
      target_.function = reinterpret_cast<void (*)()>(function);
      call_ = [](Target target, A... arguments) -> R {
        return static_cast<R>(reinterpret_cast<Function*>(target.function)(std::forward<A>(arguments)...));
      };
    } else {
      target_.object = const_cast<void*>(static_cast<const void*>(std::addressof(callable)));
      call_ = [](Target target, A... arguments) -> R {
        return static_cast<R>((*static_cast<Callable*>(target.object))(std::forward<A>(arguments)...));
      };
    }
  }

  R operator()(A... arguments) const { return call_(target_, std::forward<A>(arguments)...); }

 private:
  union Target {
    void* object;
    void (*function)();
  };
  Target target_;
  R (*call_)(Target, A...);
};

}  // namespace melix
