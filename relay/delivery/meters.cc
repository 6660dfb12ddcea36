#include "relay/delivery/meters.h"

namespace postrider::delivery {

using metrics::Metric;

StageCounters::StageCounters(metrics::Registry& registry, metrics::Metric metric) {
  for (std::size_t i = 0; i < kStages; ++i) {
    counters_[i] = registry.counter(metric, message::name_of(static_cast<message::Stage>(i)));
  }
}

Meters::Meters(metrics::Registry& registry)
    : attempted(registry.counter(Metric::kDeliveriesAttempted)),
      delivered(registry.counter(Metric::kRecipientsDelivered)),
      expired(registry.counter(Metric::kRecipientsExpired)),
      bytes(registry.counter(Metric::kBytesDelivered)),
      held_back(registry.counter(Metric::kDeliveriesHeldBack)),
      rests(registry.counter(Metric::kSiteRests)),
      slow_downs(registry.counter(Metric::kSiteSlowDowns)),
      reports{registry.counter(Metric::kReportsSent, "failed"),
              registry.counter(Metric::kReportsSent, "delayed"),
              registry.counter(Metric::kReportsSent, "delivered"),
              registry.counter(Metric::kReportsSent, "relayed")},
      connections_ok(registry.counter(Metric::kConnectionsOut, "ok")),
      connections_reused(registry.counter(Metric::kConnectionsReused)),
      lane_deliveries(registry.counter(Metric::kLaneDeliveries)),
      tls_full(registry.counter(Metric::kTlsHandshakesOut, "full")),
      tls_resumed(registry.counter(Metric::kTlsHandshakesOut, "resumed")),
      tls_failed(registry.counter(Metric::kTlsHandshakesOut, "failed")),
      final_replies_lost(registry.counter(Metric::kFinalReplyLost)),
      deferred(registry, Metric::kRecipientsDeferred),
      bounced(registry, Metric::kRecipientsBounced),
      connections_failed(registry, Metric::kConnectionsOut),
      connections_open(registry.gauge(Metric::kConnectionsOutOpen)),
      connections_idle(registry.gauge(Metric::kConnectionsOutIdle)),
      sites(registry.gauge(Metric::kSitesActive)),
      delivery_seconds(registry.histogram(Metric::kDeliverySeconds)) {}

}  // namespace postrider::delivery
