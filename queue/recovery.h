// recovery: what open() does before the first message: the schema version, the totals and the queue
// records, and no message unless a record of those is damaged. Thread: one, before all others.
#pragma once

#include <functional>

#include "queue/core.h"

namespace postrider::queue {

// Checks the schema, or writes it into an empty store; then the totals, counted anew if damaged.
Result<Totals> recover_totals(Store& store);

// All of it: `make_core` gets the totals and returns the core to fill with queues and tenants. A
// damaged record among those is counted anew. Where the store itself meets damage it is reopened,
// which repairs it, and everything is done once more with another core.
Result<void> recover(Store& store, const std::function<Core&(const Totals&)>& make_core);

}  // namespace postrider::queue
