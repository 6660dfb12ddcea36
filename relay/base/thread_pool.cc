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
  std::deque<Job> first;
  std::deque<Job> usual;
  {
    auto held = queue_.lock();
    held->stopping = true;
    first.swap(held->first);
    usual.swap(held->usual);
  }
  changed_.notify_all();
  for (std::deque<Job>* left : {&first, &usual}) {
    for (Job& job : *left) job(Call::kStopped);
  }
  for (std::thread& thread : threads_) thread.join();
}

bool ThreadPool::submit(Job job, Turn turn) {
  {
    auto held = queue_.lock();
    std::deque<Job>& waiting = turn == Turn::kFirst ? held->first : held->usual;
    if (held->stopping || waiting.size() >= waiting_max_) return false;
    waiting.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void ThreadPool::post(Job job) {
  {
    auto held = queue_.lock();
    if (!held->stopping) {
      held->usual.push_back(std::move(job));
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
      changed_.wait(held.mutex_lock(),
                    [&] { return held->stopping || !held->first.empty() || !held->usual.empty(); });
      if (held->stopping) return;
      std::deque<Job>& next = held->first.empty() ? held->usual : held->first;
      job = std::move(next.front());
      next.pop_front();
    }
    job(Call::kRun);
  }
}

}  // namespace postrider
