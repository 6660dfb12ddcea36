// Meters: the metrics of delivery as handles, fetched once, so that a delivery looks no name up.
// Thread: any.
#pragma once

#include <array>
#include <cstddef>

#include "metrics/metrics.h"
#include "relay/message/dsn.h"
#include "relay/message/status.h"

namespace postrider::delivery {

// A counter for each stage of a delivery.
class StageCounters {
 public:
  StageCounters(metrics::Registry& registry, metrics::Metric metric);

  [[nodiscard]] const metrics::Counter& at(message::Stage stage) const {
    return counters_[static_cast<std::size_t>(stage)];
  }

 private:
  static constexpr std::size_t kStages = static_cast<std::size_t>(message::Stage::kEndOfData) + 1;

  std::array<metrics::Counter, kStages> counters_;
};

struct Meters {
  explicit Meters(metrics::Registry& registry);

  [[nodiscard]] const metrics::Counter& report(message::DsnAction action) const {
    return reports.at(static_cast<std::size_t>(action));
  }

  metrics::Counter attempted;
  metrics::Counter delivered;
  metrics::Counter expired;
  metrics::Counter bytes;
  metrics::Counter held_back;
  metrics::Counter rests;
  metrics::Counter slow_downs;
  std::array<metrics::Counter, 4> reports;  // in the order of DsnAction
  metrics::Counter connections_ok;
  metrics::Counter connections_reused;
  metrics::Counter lane_deliveries;
  metrics::Counter tls_full;
  metrics::Counter tls_resumed;
  metrics::Counter tls_failed;
  metrics::Counter final_replies_lost;
  StageCounters deferred;
  StageCounters bounced;
  StageCounters connections_failed;
  metrics::Gauge connections_open;
  metrics::Gauge connections_idle;
  metrics::Gauge sites;
  metrics::Histogram delivery_seconds;
};

}  // namespace postrider::delivery
