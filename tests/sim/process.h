// Process: one life of the relay, from its start over a store to its stop or death: the real queue,
// dispatcher, schedulers and all below them, with workers whose loops the timeline turns. Thread:
// one.
#pragma once

#include <memory>
#include <vector>

#include "metrics/metrics.h"
#include "queue/queue.h"
#include "relay/delivery/scheduler.h"
#include "relay/delivery/shared.h"
#include "relay/event/loop.h"
#include "tests/sim/ledger.h"
#include "tests/sim/zone.h"

namespace postrider::sim {

struct ProcessOptions {
  queue::Options queue;
  delivery::Options delivery;
  std::size_t workers = 2;
  // How long the commit thread takes until it does what waits.
  Duration commit_from = Milliseconds(1);
  Duration commit_to = Milliseconds(5);
};

class Process {
 public:
  // `options`, `store` and `zone` outlive it.
  Process(const ProcessOptions& options, Timeline& timeline, queue::Store& store, const Zone& zone,
          Ledger& ledger, std::uint64_t seed);
  // After stop() or die().
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  queue::Queue& queue() { return *queue_; }

  // As the daemon does it: no more leases, what is under way ends.
  void shut_down();
  // Nothing is under way.
  [[nodiscard]] bool quiet() const;
  // Cuts what is left, and ends.
  void stop();
  // Killed: from now on nothing of it runs, and nothing of it is tidied up.
  void die();

  // After each event: the queue's threads hear of what there may be to do; and what must hold.
  void observe();

  [[nodiscard]] metrics::Registry& metrics() { return metrics_; }

  // A part of what happens and is not seen by hosts; for tests that compare runs.
  [[nodiscard]] std::uint64_t counted(metrics::Metric metric, std::string_view label = {}) {
    return metrics_.counter(metric, label).value();
  }

 private:
  void wake_queue(TimePoint at);
  void run_queue();

  const ProcessOptions& options_;
  Timeline& timeline_;
  Ledger& ledger_;
  SeededRandom random_;
  metrics::Registry metrics_;
  std::shared_ptr<bool> alive_;
  std::unique_ptr<queue::Queue> queue_;
  std::unique_ptr<ZoneResolver> resolver_;
  std::unique_ptr<delivery::Shared> shared_;
  std::vector<std::unique_ptr<event::Loop>> loops_;
  std::vector<std::unique_ptr<delivery::Scheduler>> schedulers_;
  std::unique_ptr<delivery::Dispatcher> dispatcher_;
  TimePoint queue_runs_ = TimePoint::max();  // the next turn of its threads
};

}  // namespace postrider::sim
