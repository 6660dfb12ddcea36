// Loop: one libuv event loop, run by one thread. The timers, streams and listeners built on it live
// and die on that thread; other threads reach it with post().
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/executor.h"
#include "relay/base/result.h"

struct uv_loop_s;
struct uv_async_s;

namespace postrider::event {

// Thread: loop-affine, except where a function says "any thread".
class Loop final : public Executor {
 public:
  // Fails when the kernel refuses descriptors (the error says which limit).
  static Result<std::unique_ptr<Loop>> create();
  // Needs run() to have returned (or never been called) and every object built on the loop to be
  // destroyed. Finishes pending closes and aborts if a handle was left open: that is a bug of ours.
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs callbacks and posted tasks on the calling thread until stop(). May be called again, also
  // on another thread. Returns at once if stop() was called since the last run() ended.
  void run();
  // Runs what is ready now, without waiting; for tests.
  void poll_once();
  // Any thread. run() returns after the callback in progress.
  void stop();
  // Any thread. Many posts before the loop wakes cost one wake-up.
  void post(Task task) override;

  // The thread of the latest run() or poll_once(); before the first, the thread that created it.
  [[nodiscard]] bool on_loop_thread() const {
    return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

  // Whether the caller may touch what is built on this loop: on its thread, or while nobody runs
  // it.
  [[nodiscard]] bool accessible() const {
    return !in_run_.load(std::memory_order_relaxed) || on_loop_thread();
  }

  // For the other files of relay/event and for dns only.
  uv_loop_s* raw() { return loop_.get(); }

  // The one read buffer of this loop's streams: what is read is consumed before the next read.
  static constexpr std::size_t kReadBufferSize = std::size_t{64} * 1024;

  char* read_buffer() { return read_buffer_.get(); }

  // True during the callback of a Timer. For timer.cc only.
  bool& in_timer_callback() { return in_timer_callback_; }

 private:
  Loop();
  void run_posted();
  void drop_posted();

  std::unique_ptr<uv_loop_s> loop_;
  std::unique_ptr<uv_async_s> wake_;
  std::unique_ptr<char[]> read_buffer_;
  bool in_timer_callback_ = false;
  std::atomic<std::thread::id> thread_{std::this_thread::get_id()};
  std::atomic<bool> in_run_{false};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<Task> posted_;   // guarded by mutex_
  std::vector<Task> running_;  // loop thread only
};

}  // namespace postrider::event
