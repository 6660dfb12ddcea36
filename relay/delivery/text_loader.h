// Text loader: makes a delivery's text ready to be sent. One of up to a piece (queue.h) is loaded
// into the lease. A larger one is read through once, a piece at a time, and none of it is kept: so
// what does not verify is found before a host has heard of the message, and what must be known of a
// text before its first octet goes out is known. It is read again as it is sent.
// Thread: any; holds nothing.
#pragma once

#include <optional>

#include "queue/queue.h"
#include "relay/base/executor.h"
#include "relay/base/result.h"
#include "relay/base/task.h"
#include "relay/smtp/data_codec.h"

namespace postrider::delivery {

// With the facts of a text that is read as it is sent; none: it is in the lease. A text that is
// damaged is an error and its lease condemned, a disk that fails is an error alone.
using TextLoaded = UniqueFunction<void(queue::Lease, Result<std::optional<smtp::TextFacts>>)>;

// `done` runs on `executor`. `queue` and `executor` outlive it.
void load_text(queue::Queue& queue, Executor& executor, queue::Lease lease, TextLoaded done);

}  // namespace postrider::delivery
