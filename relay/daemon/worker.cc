#include "relay/daemon/worker.h"

#include <pthread.h>
#include <utility>

namespace postrider::daemon {

Result<std::unique_ptr<Worker>> Worker::create(submission::Shared& submission,
                                               delivery::Shared& delivery, unsigned number) {
  auto loop = event::Loop::create();
  if (!loop) return failure(loop.error());
  std::unique_ptr<Worker> worker(new Worker(std::move(*loop), number));
  worker->receiver_ = std::make_unique<submission::Receiver>(*worker->loop_, submission);
  worker->scheduler_ = std::make_unique<delivery::Scheduler>(delivery, *worker->loop_);
  return worker;
}

Worker::Worker(std::unique_ptr<event::Loop> loop, unsigned number)
    : loop_(std::move(loop)), number_(number) {}

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::run() {
  pthread_setname_np(pthread_self(), ("worker-" + std::to_string(number_)).c_str());
  // What is on the loop stays until the destructor: other workers and the queue's threads may still
  // post to it, and what they post is given back unused.
  loop_->run();
}

void Worker::shut_down(std::function<void()> quiet) {
  loop_->post([this, quiet = std::move(quiet)]() mutable {
    on_quiet_ = std::move(quiet);
    quiet_timer_ = std::make_unique<event::Timer>(*loop_, [this] { note_if_quiet(); });
    scheduler_->shut_down();
    receiver_->shut_down([this] { receiver_done_ = true; });
    note_if_quiet();
  });
}

void Worker::note_if_quiet() {
  if (!on_quiet_) return;
  if (receiver_done_ && scheduler_->quiet()) return std::exchange(on_quiet_, {})();
  quiet_timer_->arm(std::chrono::steady_clock::now() + kQuietCheck);
}

void Worker::stop() {
  loop_->post([this] {
    receiver_->cut_off();
    scheduler_->cut_off();
    loop_->stop();
  });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace postrider::daemon
