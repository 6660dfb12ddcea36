// Guarded<T>: a value that can be reached only while its mutex is held.
//
//   Guarded<Ledger> ledger;
//   ledger.lock()->take(3);            // held for the full expression
//   auto held = ledger.lock();         // held to the end of the block
//
// Thread: any.
#pragma once

#include <condition_variable>
#include <mutex>
#include <utility>

namespace postrider {

template <class T>
class Guarded {
 public:
  class Holder {
   public:
    T* operator->() { return &value_; }

    T& operator*() { return value_; }

    // For std::condition_variable::wait.
    std::unique_lock<std::mutex>& mutex_lock() { return lock_; }

   private:
    friend class Guarded;

    Holder(std::mutex& mutex, T& value) : lock_(mutex), value_(value) {}

    std::unique_lock<std::mutex> lock_;
    T& value_;
  };

  Guarded() = default;

  explicit Guarded(T value) : value_(std::move(value)) {}

  [[nodiscard]] Holder lock() { return Holder(mutex_, value_); }

 private:
  std::mutex mutex_;
  T value_{};
};

}  // namespace postrider
