// Rig: a queue over RocksDB in a directory, what takes its leases, and sessions that submit. What
// the benchmarks of the queue share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "metrics/metrics.h"
#include "queue/queue.h"
#include "queue/store.h"
#include "relay/base/clock.h"
#include "relay/base/random.h"

namespace postrider::bench {

// Seconds of CPU of all threads, and octets given to the disk, so far.
double cpu_seconds();
std::uint64_t octets_written();
// Kilobytes resident now.
std::uint64_t resident_kib();

// Does with each lease at once what `act` says. Thread: as Consumer.
class Finisher final : public queue::Consumer {
 public:
  using Act = std::function<void(queue::Queue&, queue::Lease)>;

  void deliver(std::vector<queue::Lease> leases) override;

  // Both ends of a delivery: it is made, or tried again at `again`.
  static void delivered(queue::Queue& queue, queue::Lease lease);
  static void deferred(queue::Queue& queue, queue::Lease lease, WallTime again);

  queue::Queue* queue = nullptr;
  Act act = delivered;
  std::atomic<std::uint64_t> taken{0};
};

class Rig {
 public:
  // Ends the process, in words, where the queue cannot be opened.
  explicit Rig(const std::string& directory);
  ~Rig();
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  queue::Submission message(const std::string& domain, message::Body body);

  SystemClock clock;
  Finisher finisher;
  std::unique_ptr<queue::Queue> queue;

 private:
  SystemRandom random_;
  metrics::Registry registry_;
  std::unique_ptr<queue::Store> store_;
};

// Texts that no compression makes smaller.
std::vector<message::Body> random_texts(std::size_t size);

// Sessions that each have one message under way and send the next when it is answered, on two
// threads of their own, as clients of two workers would.
class Sessions {
 public:
  using Make = std::function<queue::Submission(std::uint64_t number)>;

  Sessions(queue::Queue& queue, Make make);

  // Until `limit` messages have been sent or `time` is over, and all are answered. How many were
  // accepted.
  std::uint64_t run(std::size_t sessions, std::uint64_t limit, std::chrono::milliseconds time);

  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  struct Worker {
    std::mutex mutex;
    std::condition_variable wake;
    std::size_t idle = 0;      // sessions with nothing under way; guarded by mutex
    std::size_t sessions = 0;  // of this worker
  };

  void work(Worker& worker);
  void send(Worker& worker, std::uint64_t number);

  queue::Queue& queue_;
  Make make_;
  std::chrono::steady_clock::time_point end_;
  std::uint64_t limit_ = 0;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> refused_{0};
};

}  // namespace postrider::bench
