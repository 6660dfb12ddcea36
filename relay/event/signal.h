// Signal: a process signal as a callback on a loop. Thread: loop-affine.
#pragma once

#include "relay/base/result.h"
#include "relay/base/task.h"

namespace postrider::event {

class Loop;

class Signal {
 public:
  // `on_signal` runs on the loop each time `number` arrives, as long as the object lives. From then
  // on the signal never has its default action again: with no object left it changes nothing, so
  // that a process that is ending ends with its own exit code. Main thread only.
  static Result<Signal> create(Loop& loop, int number, UniqueFunction<void()> on_signal);
  Signal(Signal&&) noexcept;
  Signal& operator=(Signal&&) noexcept;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal();

 private:
  struct Handle;

  explicit Signal(Handle* handle) : handle_(handle) {}

  Handle* handle_;
};

}  // namespace postrider::event
