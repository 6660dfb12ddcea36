// Timer: one re-armable deadline. Thread: loop-affine.
#pragma once

#include "relay/base/clock.h"
#include "relay/base/task.h"

namespace postrider::event {

class Loop;

class Timer {
 public:
  // `on_fire` runs on the loop, at or after the armed time, once per arm(); it may re-arm, or
  // destroy the timer.
  Timer(Loop& loop, UniqueFunction<void()> on_fire);
  Timer(Timer&&) noexcept;
  Timer& operator=(Timer&&) noexcept;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer();

  // Replaces an earlier deadline. A time already past fires in the next turn of the loop; armed
  // from a timer's callback, a millisecond later, so that timers cannot keep the loop from its
  // sockets. TimePoint::max() disarms.
  void arm(TimePoint deadline);
  void disarm();

 private:
  struct Handle;
  Handle* handle_;  // frees itself when libuv has closed it
};

}  // namespace postrider::event
