#include "queue/open_recovery.h"

#include <string>

#include "queue/keys.h"
#include "relay/base/log.h"

namespace postrider::queue {

namespace {

// Octets of one batch, about.
constexpr std::size_t kBatchSize = 1U << 20;

Result<bool> is_wanted(Store& store, const MessageId& id) {
  const auto message = store.get(message_key(id));
  if (!message) return failure(message.error());
  if (*message) return true;
  const std::string first = delivery_key({id, 0});
  const auto deliveries = store.scan(first, after_prefix(first.substr(0, 17)));
  if (auto status = deliveries->status(); !status) return failure(status.error());
  return deliveries->valid();
}

// How many chunks there are only they themselves say.
Result<void> erase_chunks(Store& store, Batch& batch, const MessageId& id) {
  const std::string first = body_key(id, 0);
  const auto chunks = store.scan(first, after_prefix(first.substr(0, 17)));
  for (; chunks->valid(); chunks->next()) {
    batch.erase(chunks->key());
    if (batch.size() < kBatchSize) continue;
    if (auto written = store.write(batch, false); !written) return written;
    batch.clear();
  }
  return chunks->status();
}

}  // namespace

// The mark goes with the last of the chunks: a start that is cut short finds it again. Nothing is
// synced: what comes back after a power loss comes back with its mark.
Result<void> erase_open_bodies(Store& store) {
  const auto batch = store.new_batch();
  const std::string lower(1, space::kOpen);
  const auto marks = store.scan(lower, after_prefix(lower));
  std::uint64_t found = 0;
  std::uint64_t erased_bodies = 0;
  for (; marks->valid(); marks->next()) {
    const auto id = decode_id(marks->key());
    if (!id) continue;
    ++found;
    const auto wanted = is_wanted(store, *id);
    if (!wanted) return failure(wanted.error());
    if (!*wanted) {
      if (auto erased = erase_chunks(store, *batch, *id); !erased) return erased;
      ++erased_bodies;
    }
    batch->erase(marks->key());
  }
  if (auto status = marks->status(); !status) return status;
  if (found == 0) return {};
  if (erased_bodies > 0) {
    log::info("queue", "bodies that were being written when an earlier process ended are erased",
              {{"bodies", erased_bodies}});
  }
  return store.write(*batch, false);
}

}  // namespace postrider::queue
