// ThreadPool: threads for work that would hold up a loop, and two bounded queues in front of them.
// Thread: any.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "relay/base/guarded.h"
#include "relay/base/task.h"

namespace postrider {

class ThreadPool {
 public:
  enum class Call {
    kRun,      // on a thread of the pool
    kStopped,  // the pool ends and will not do it: in its destructor
  };
  using Job = UniqueFunction<void(Call)>;

  // Those that come first are done before all others, whenever they came.
  enum class Turn { kFirst, kUsual };

  // `name` shows in lists of threads, at most 15 octets.
  ThreadPool(const std::string& name, unsigned threads, std::size_t waiting_max);
  // Waits for the jobs in progress.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // The job is called exactly once, and never within this call. False: `waiting_max` jobs of that
  // turn wait already, or the pool is ending; it is not called then.
  bool submit(Job job, Turn turn = Turn::kUsual);

  // As usual, for what something else bounds: it is not refused for those that wait. Where the pool
  // is ending it is called within this call.
  void post(Job job);

 private:
  struct Queue {
    std::deque<Job> first;
    std::deque<Job> usual;
    bool stopping = false;
  };

  void work();

  const std::size_t waiting_max_;
  Guarded<Queue> queue_;
  std::condition_variable changed_;
  std::vector<std::thread> threads_;
};

}  // namespace postrider
