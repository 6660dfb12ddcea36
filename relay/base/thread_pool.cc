#include "relay/base/thread_pool.h"

#include <pthread.h>
#include <utility>

namespace postrider {

ThreadPool::ThreadPool(const std::string& name, unsigned threads, std::size_t waiting_max)
    : waiting_max_(waiting_max) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this, name] {
      pthread_setname_np(pthread_self(), name.c_str());
      work();
    });
  }
}

ThreadPool::~ThreadPool() {
  std::deque<Job> left;
  {
    auto held = queue_.lock();
    held->stopping = true;
    left.swap(held->waiting);
  }
  changed_.notify_all();
  for (Job& job : left) job(Call::kStopped);
  for (std::thread& thread : threads_) thread.join();
}

bool ThreadPool::submit(Job job) {
  {
    auto held = queue_.lock();
    if (held->stopping || held->waiting.size() >= waiting_max_) return false;
    held->waiting.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void ThreadPool::post(Job job) {
  {
    auto held = queue_.lock();
    if (!held->stopping) {
      held->waiting.push_back(std::move(job));
      changed_.notify_one();
      return;
    }
  }
  job(Call::kStopped);
}

void ThreadPool::work() {
  for (;;) {
    Job job;
    {
      auto held = queue_.lock();
      changed_.wait(held.mutex_lock(), [&] { return held->stopping || !held->waiting.empty(); });
      if (held->stopping) return;
      job = std::move(held->waiting.front());
      held->waiting.pop_front();
    }
    job(Call::kRun);
  }
}

}  // namespace postrider
