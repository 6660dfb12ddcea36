// Executor: how work reaches another thread.
//
// post() never refuses: what may be refused is bounded where it is asked for (a queue slot, a
// lease, a lookup), and a posted task is the answer to something that passed such a bound.
#pragma once

#include "relay/base/task.h"

namespace postrider {

// Thread: any.
class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `task` once on the executor's thread, after the tasks posted before it by the same thread.
  // A task posted to an executor that has ended is destroyed without being run.
  virtual void post(Task task) = 0;
};

// Runs tasks at once, in the caller; for tests and for single-threaded tools.
class InlineExecutor final : public Executor {
 public:
  void post(Task task) override { task(); }
};

}  // namespace postrider
