// QueueMetrics: what the queue counts. The gauges are set by Core's collector. Thread: any.
#pragma once

#include "metrics/metrics.h"

namespace postrider::queue {

struct QueueMetrics {
  explicit QueueMetrics(metrics::Registry& registry);

  metrics::Counter commits, syncs, store_errors, reopened, quarantined;
  metrics::Counter delivered, bounced, expired, removed;
  metrics::Counter refused_messages, refused_bytes, refused_tenant_messages, refused_tenant_bytes;
  metrics::Counter changes_refused, refused_space, refused_busy, refused_failed, refused_stopping;
  // Messages that operators changed.
  metrics::Counter changed_remove, changed_retry, changed_hold, changed_release;
  metrics::Histogram commit_seconds, group_size;
};

}  // namespace postrider::queue
