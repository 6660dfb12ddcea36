// rebuild: makes a queue whole again after damage was cut out of its store. Messages and deliveries
// say what there is; due index, queue records, counts and totals are written anew from them. What
// has lost its other half is put into quarantine. Thread: one, before all others.
#pragma once

#include "queue/record.h"
#include "queue/store.h"

namespace postrider::queue {

// Reads all there is but the bodies. May be repeated if it failed or was cut short.
Result<Totals> rebuild(Store& store);

}  // namespace postrider::queue
