// tenant_recovery: what each tenant has on disk, at a start: read from its record, or counted from
// the messages where there is none that verifies. Thread: before the queue's threads start.
#pragma once

#include "queue/store.h"
#include "queue/tenants.h"
#include "relay/base/result.h"

namespace postrider::queue {

// Puts into `batch` a record for every tenant, counted from all messages, and erases those that no
// message stands behind.
Result<void> count_tenants(Store& store, Batch& batch);

// Reads the records; counts them anew, in one synced batch, if one is damaged.
Result<void> recover_tenants(Store& store, Tenants& tenants);

}  // namespace postrider::queue
