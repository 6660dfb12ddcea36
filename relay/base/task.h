// UniqueFunction: a callable that may own move-only things, called any number of times.
// (std::move_only_function is C++23.) Thread: one owner.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace postrider {

template <class Signature>
class UniqueFunction;

template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;

  template <class F>

  requires(!std::is_same_v<std::remove_cvref_t<F>, UniqueFunction> &&
           std::is_invocable_r_v<R, F&, Args...>)
      UniqueFunction(F function)  // NOLINT(google-explicit-constructor): a lambda is a function
      : callable_(std::make_unique<Holder<F>>(std::move(function))) {}

  R operator()(Args... args) { return callable_->call(std::forward<Args>(args)...); }

  explicit operator bool() const { return callable_ != nullptr; }

 private:
  struct Callable {
    virtual ~Callable() = default;
    virtual R call(Args... args) = 0;
  };

  template <class F>
  struct Holder final : Callable {
    explicit Holder(F f) : function(std::move(f)) {}

    R call(Args... args) override { return function(std::forward<Args>(args)...); }

    F function;
  };

  std::unique_ptr<Callable> callable_;
};

using Task = UniqueFunction<void()>;

}  // namespace postrider
