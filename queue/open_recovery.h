// Open recovery: the bodies that an earlier process was writing and that became part of no message.
// Thread: one, before all others.
#pragma once

#include "queue/store.h"

namespace postrider::queue {

// Erases them. Where the message exists, or one of its deliveries, only the mark is erased.
Result<void> erase_open_bodies(Store& store);

}  // namespace postrider::queue
