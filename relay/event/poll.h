// Poll: readiness of a descriptor that somebody else owns (the resolver's sockets, a listening
// socket). Thread: loop-affine.
#pragma once

#include "relay/base/result.h"
#include "relay/base/task.h"

namespace postrider::event {

class Loop;

class Poll {
 public:
  using OnReady = UniqueFunction<void(bool readable, bool writable)>;
  // Watches nothing until watch(). `fd` must stay open until the Poll is destroyed or has been told
  // watch(false, false). An error condition is reported as readable and writable.
  static Result<Poll> create(Loop& loop, int fd, OnReady on_ready);
  Poll(Poll&&) noexcept;
  Poll& operator=(Poll&&) noexcept;
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;
  ~Poll();

  void watch(bool readable, bool writable);

 private:
  struct Handle;

  explicit Poll(Handle* handle) : handle_(handle) {}

  Handle* handle_;
};

}  // namespace postrider::event
