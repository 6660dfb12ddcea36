// Answers: where a thread that may block (never a loop) waits for what others find out, until there
// is an answer, the time is up, or the process stops.
//
// Held by shared_ptr: who is asked keeps it until he has answered, also when nobody waits any more.
// Thread: any.
#pragma once

#include <condition_variable>
#include <mutex>

#include "relay/base/clock.h"
#include "relay/base/executor.h"

namespace postrider {

class Answers final : public Executor {
 public:
  enum class State { kAnswered, kLate, kStopped };

  // Runs the task at once, and nothing else meanwhile: it notes an answer and does no more.
  void post(Task task) override;

  // Until has_answer(), which looks at what posted tasks have noted, or for `limit` at most.
  template <class HasAnswer>
  State wait(Duration limit, const HasAnswer& has_answer) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limit, [&] { return has_answer() || stopping_; });
    if (has_answer()) return State::kAnswered;
    return stopping_ ? State::kStopped : State::kLate;
  }

  // Ends every wait, now and from now on.
  void stop();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
};

}  // namespace postrider
