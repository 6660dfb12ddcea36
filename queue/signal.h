// Signal: wakes one thread; a notification that comes before the wait is not lost. Thread: any.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "relay/base/clock.h"

namespace postrider::queue {

class Signal {
 public:
  void notify() {
    {
      const std::lock_guard held(mutex_);
      if (raised_) return;
      raised_ = true;
    }
    condition_.notify_one();
  }

  // Until the next notification, or `limit` from now.
  void wait(std::optional<Duration> limit) {
    std::unique_lock held(mutex_);
    if (limit) {
      condition_.wait_for(held, *limit, [this] { return raised_; });
    } else {
      condition_.wait(held, [this] { return raised_; });
    }
    raised_ = false;
  }

  // Without waiting: whether there was a notification; it is taken.
  bool take() {
    const std::lock_guard held(mutex_);
    return std::exchange(raised_, false);
  }

  // Whether there is one to take.
  [[nodiscard]] bool raised() const {
    const std::lock_guard held(mutex_);
    return raised_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable condition_;
  bool raised_ = false;  // guarded by mutex_
};

}  // namespace postrider::queue
