// Selection: walks the messages on disk that match a selector, in order of id, a bounded step at a
// time. Damaged records are passed over. Thread: any, one caller at a time.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "queue/keys.h"
#include "queue/queue.h"
#include "queue/record.h"
#include "queue/store.h"

namespace postrider::queue {

struct FoundDelivery {
  std::uint32_t number = 0;
  DeliveryRecord record;
  bool matches = false;
};

struct FoundMessage {
  Message message;
  std::vector<FoundDelivery> deliveries;  // all that have not ended; at least one matches
};

class Selection {
 public:
  // From the first message with an id not below `from`.
  Selection(Store& store, const Selector& selector, MessageId from);

  // The matches among the next deliveries on disk: at most `matches_max`, after a look at about
  // `looks_max`.
  Result<std::vector<FoundMessage>> next(std::size_t matches_max, std::size_t looks_max);

  [[nodiscard]] bool ended() const { return ended_; }

  // The first message not looked at yet.
  [[nodiscard]] const MessageId& from() const { return from_; }

  // The first message that was seen at all, matching or not; highest if there was none.
  [[nodiscard]] const MessageId& first_seen() const { return first_seen_; }

 private:
  [[nodiscard]] bool selects(const DeliveryRecord& record) const;
  Result<bool> complete(FoundMessage& found);

  Store& store_;
  const Selector& selector_;
  MessageId from_;
  MessageId first_seen_;
  bool ended_ = false;
};

}  // namespace postrider::queue
