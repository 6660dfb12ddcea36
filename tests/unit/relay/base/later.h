// Later: an executor that keeps what is posted, from any thread, until the test runs it.
#pragma once

#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "relay/base/executor.h"

namespace postrider {

class Later final : public Executor {
 public:
  void post(Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }

  // Runs what comes until `count` tasks have been run.
  void run(std::size_t count) {
    for (std::size_t done = 0; done < count; std::this_thread::yield()) {
      std::vector<Task> ready;
      {
        const std::lock_guard lock(mutex_);
        ready.swap(tasks_);
      }
      for (Task& task : ready) task();
      done += ready.size();
    }
  }

  [[nodiscard]] bool empty() {
    const std::lock_guard lock(mutex_);
    return tasks_.empty();
  }

 private:
  std::mutex mutex_;
  std::vector<Task> tasks_;
};

}  // namespace postrider
