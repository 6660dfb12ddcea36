// MessageId: the queue id of a message. 128 bits, time first, so that ids sort by acceptance and
// never go backwards. Thread: values; IdSource: any.
#pragma once

#include <compare>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "relay/base/clock.h"
#include "relay/base/random.h"

namespace postrider::queue {

struct MessageId {
  std::uint64_t high = 0;  // 48 bits of milliseconds since 1970, 16 bits counting within one
  std::uint64_t low = 0;   // random: ids cannot be guessed, and two hosts never share one

  // 26 characters of Crockford base32, as users see it.
  [[nodiscard]] std::string to_string() const;
  // Either case; nullopt unless it is exactly an id.
  static std::optional<MessageId> parse(std::string_view text);

  // When it was given, unless the clock stood still or went back then.
  [[nodiscard]] WallTime time() const { return WallTime(Milliseconds(high >> 16U)); }

  auto operator<=>(const MessageId&) const = default;
};

struct MessageIdHash {
  std::size_t operator()(const MessageId& id) const {
    return id.low ^ (id.high * 0x9e3779b97f4a7c15);
  }
};

// Gives ids that grow strictly, whatever the clock does.
class IdSource {
 public:
  // No id will be given that is not above `floor`: the highest id on disk, at start.
  IdSource(const Clock& clock, Random& random, MessageId floor = {});
  MessageId next();

 private:
  const Clock& clock_;
  Random& random_;
  std::mutex mutex_;
  std::uint64_t last_high_;  // guarded by mutex_
};

}  // namespace postrider::queue
