#include "queue/id.h"

#include <algorithm>
#include <chrono>

namespace postrider::queue {

namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kTextSize = 26;  // 130 bits for 128: the first character is 0 to 7
constexpr unsigned kBitsPerCharacter = 5;
constexpr unsigned kCounterBits = 16;

}  // namespace

std::string MessageId::to_string() const {
  std::string text(kTextSize, '0');
  std::uint64_t upper = high;
  std::uint64_t lower = low;
  for (auto at = text.rbegin(); at != text.rend(); ++at) {
    *at = kAlphabet[lower & 31U];
    lower = (lower >> kBitsPerCharacter) | (upper << (64 - kBitsPerCharacter));
    upper >>= kBitsPerCharacter;
  }
  return text;
}

std::optional<MessageId> MessageId::parse(std::string_view text) {
  if (text.size() != kTextSize || text[0] < '0' || text[0] > '7') return std::nullopt;
  MessageId id;
  for (char c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    id.high = (id.high << kBitsPerCharacter) | (id.low >> (64 - kBitsPerCharacter));
    id.low = (id.low << kBitsPerCharacter) | value;
  }
  return id;
}

IdSource::IdSource(const Clock& clock, Random& random, MessageId floor)
    : clock_(clock), random_(random), last_high_(floor.high) {}

MessageId IdSource::next() {
  const auto since_1970 = std::max<std::int64_t>(0, clock_.wall().time_since_epoch().count());
  const std::uint64_t from_clock = static_cast<std::uint64_t>(since_1970) << kCounterBits;
  const std::lock_guard held(mutex_);
  // A clock that stands still or goes back only makes the counter run on, into the next
  // millisecond's numbers if need be.
  last_high_ = std::max(from_clock, last_high_ + 1);
  return {last_high_, random_.u64()};
}

}  // namespace postrider::queue
