// recovery: what open() does before the first message: the schema version, the totals and the queue
// records, and no message unless a record of those is damaged. Thread: one, before all others.
#pragma once

#include "queue/core.h"

namespace postrider::queue {

// Checks the schema, or writes it into an empty store; then the totals, counted anew if damaged.
Result<Totals> recover_totals(Store& store);

// Fills the index with the queues. A damaged queue record is counted anew.
Result<void> recover_queues(Store& store, DueIndex& index);

}  // namespace postrider::queue
