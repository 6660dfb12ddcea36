// Worker: one thread with its loop, and on it the sessions that receive and the sites that deliver.
//
// Thread: created, started, joined and destroyed by the main thread; what is inside belongs to its
// own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "relay/base/result.h"
#include "relay/delivery/scheduler.h"
#include "relay/event/loop.h"
#include "relay/submission/receiver.h"

namespace postrider::daemon {

class Worker {
 public:
  // What is referred to outlives it.
  static Result<std::unique_ptr<Worker>> create(submission::Shared& submission,
                                                delivery::Shared& delivery, unsigned number);
  // join() first.
  ~Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  // Any thread. Sessions and deliveries end as they can; `quiet` runs on the worker's thread, once,
  // when none is left.
  void shut_down(std::function<void()> quiet);
  // Any thread. Cuts what is left and ends the thread.
  void stop();
  void join();

  submission::Receiver& receiver() { return *receiver_; }

  delivery::Scheduler& scheduler() { return *scheduler_; }

 private:
  Worker(std::unique_ptr<event::Loop> loop, unsigned number);
  void run();
  void note_if_quiet();

  static constexpr Duration kQuietCheck = Milliseconds(20);

  std::unique_ptr<event::Loop> loop_;
  const unsigned number_;
  std::unique_ptr<submission::Receiver> receiver_;
  std::unique_ptr<delivery::Scheduler> scheduler_;
  std::unique_ptr<event::Timer> quiet_timer_;
  std::function<void()> on_quiet_;
  bool receiver_done_ = false;
  std::thread thread_;
};

}  // namespace postrider::daemon
