#include "queue/queue_metrics.h"

namespace postrider::queue {

using metrics::Metric;

QueueMetrics::QueueMetrics(metrics::Registry& registry)
    : commits(registry.counter(Metric::kQueueCommits)),
      syncs(registry.counter(Metric::kQueueSyncs)),
      store_errors(registry.counter(Metric::kQueueStoreErrors)),
      reopened(registry.counter(Metric::kQueueReopened)),
      quarantined(registry.counter(Metric::kQueueQuarantined)),
      delivered(registry.counter(Metric::kQueueEnded, "delivered")),
      bounced(registry.counter(Metric::kQueueEnded, "bounced")),
      expired(registry.counter(Metric::kQueueEnded, "expired")),
      removed(registry.counter(Metric::kQueueEnded, "removed")),
      refused_messages(registry.counter(Metric::kQueueRefused, "messages_max")),
      refused_bytes(registry.counter(Metric::kQueueRefused, "bytes_max")),
      refused_tenant_messages(registry.counter(Metric::kQueueRefused, "tenant_messages_max")),
      refused_tenant_bytes(registry.counter(Metric::kQueueRefused, "tenant_bytes_max")),
      changes_refused(registry.counter(Metric::kQueueChangesRefused)),
      refused_space(registry.counter(Metric::kQueueRefused, "no_space")),
      refused_busy(registry.counter(Metric::kQueueRefused, "busy")),
      refused_failed(registry.counter(Metric::kQueueRefused, "store_failed")),
      refused_stopping(registry.counter(Metric::kQueueRefused, "stopping")),
      changed_remove(registry.counter(Metric::kQueueChanged, "remove")),
      changed_retry(registry.counter(Metric::kQueueChanged, "retry")),
      changed_hold(registry.counter(Metric::kQueueChanged, "hold")),
      changed_release(registry.counter(Metric::kQueueChanged, "release")),
      commit_seconds(registry.histogram(Metric::kQueueCommitSeconds)),
      group_size(registry.histogram(Metric::kQueueGroupSize)) {}

}  // namespace postrider::queue
