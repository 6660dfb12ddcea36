// A real queue in memory, and a consumer that keeps what it is given until told how it ended.
// Thread: the test's; the queue's threads only post.
#pragma once

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "metrics/metrics.h"
#include "queue/memory_store.h"
#include "queue/queue.h"
#include "relay/base/clock.h"
#include "relay/base/random.h"

namespace postrider::admin {

class FilledQueue final : public queue::Consumer {
 public:
  FilledQueue() {
    auto opened = queue::Queue::open({}, store, clock, random, metrics, [](std::string_view) {});
    queue = std::move(*opened);
    queue->start(*this);
  }

  ~FilledQueue() override {
    queue->stop_leasing();
    give_all_back();
    queue->stop();
    // What was handed out in between.
    give_all_back();
  }

  FilledQueue(const FilledQueue&) = delete;
  FilledQueue& operator=(const FilledQueue&) = delete;

  // A message to one recipient a domain; waits until it is on "disk". Returns its id.
  std::string add(const std::string& sender, const std::vector<message::Address>& recipients,
                  std::size_t size = 1000, const message::Envelope& wishes = {}) {
    queue::Submission submission;
    submission.envelope = wishes;
    submission.not_before = wishes.release;
    submission.id = queue->next_id();
    const std::size_t at = sender.find('@');
    if (at != std::string::npos) {
      submission.envelope.sender = {sender.substr(0, at), sender.substr(at + 1)};
    }
    submission.envelope.user = "app";
    for (const message::Address& address : recipients) {
      submission.recipients.push_back({address, 0, ""});
    }
    submission.body = message::Body(std::string(size, 'x'));
    submission.expires = clock.wall() + std::chrono::hours(24);
    std::promise<queue::Refusal> done;
    auto answer = done.get_future();
    const std::string id = submission.id.to_string();
    queue->submit(std::move(submission), [&](queue::Refusal refusal) { done.set_value(refusal); });
    return answer.get() == queue::Refusal::kNone ? id : "refused";
  }

  void deliver(std::vector<queue::Lease> leases) override {
    const std::lock_guard lock(mutex_);
    for (queue::Lease& lease : leases) leases_.push_back(std::move(lease));
    changed_.notify_all();
  }

  // Waits for `count` leases, then ends them: to be tried again in an hour because of `status`.
  bool defer(std::size_t count, const message::Status& status) {
    std::vector<queue::Lease> leases = take(count);
    if (leases.size() < count) return false;
    for (queue::Lease& lease : leases) {
      queue::Completion completion;
      completion.fates.assign(lease.recipients().size(), queue::Fate::kDeferred);
      completion.next_attempt = clock.wall() + std::chrono::hours(1) + std::chrono::seconds(30);
      completion.status = status;
      queue->finish(std::move(lease), std::move(completion));
    }
    return wait_until([&] { return queue->stats().leases == 0; });
  }

  // Leases that have come, at least `count` unless that takes too long.
  std::vector<queue::Lease> take(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return leases_.size() >= count; });
    return std::exchange(leases_, {});
  }

  template <class Condition>
  static bool wait_until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  queue::MemoryStore store;
  SystemClock clock;
  SystemRandom random;
  metrics::Registry metrics;
  std::unique_ptr<queue::Queue> queue;

 private:
  void give_all_back() {
    std::vector<queue::Lease> leases;
    const std::lock_guard lock(mutex_);
    leases.swap(leases_);
  }

  static constexpr std::chrono::seconds kPatience{20};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<queue::Lease> leases_;
};

}  // namespace postrider::admin
