// Records: the values the queue stores, versioned and checksummed. FORMAT.md shows each byte by
// byte. The checksum covers the key too, so that a value under a wrong key is seen as damage.
// Decoders answer nullopt for anything but exactly what an encoder wrote. Thread: pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "queue/body_layout.h"
#include "queue/keys.h"
#include "queue/queue.h"
#include "relay/base/bytes.h"
#include "relay/message/body.h"
#include "relay/message/envelope.h"
#include "relay/message/status.h"

namespace postrider::queue {

// What open() writes into an empty store, and the newest it reads; an older one it migrates.
inline constexpr std::uint64_t kSchemaVersion = 3;

// Behind every value: its record version and checksum.
inline constexpr std::size_t kTrailerSize = 5;

// Due when an operator releases it: the due time of a held delivery.
inline constexpr WallTime kHeld = WallTime::max() - Milliseconds(1);

// What an operator asked for while the delivery was leased: done when the lease ends, or by the
// next start if the process dies before that.
enum class Asked : std::uint8_t { kNothing, kRemove, kHold };

struct DeliveryRecord {
  std::string domain;
  std::vector<message::Recipient> recipients;  // those not ended
  std::uint32_t attempts = 0;
  bool delay_reported = false;
  Asked asked = Asked::kNothing;
  WallTime due;
  message::Status last_status;
};

struct QueueRecord {
  std::uint64_t deliveries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t on_hold = 0;  // of the deliveries
  WallTime due_bound;         // no delivery of the queue is due earlier
};

// What a tenant has on disk.
struct TenantRecord {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;

  bool operator==(const TenantRecord&) const = default;
};

// What would need a walk over all messages to find out.
struct Totals {
  std::uint64_t sequence = 0;  // grows with each write: tells whether a doubtful one took effect
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  MessageId last_id;    // the highest ever accepted
  MessageId low_water;  // no message has a lower id
};

std::string encode(std::string_view key, const Message& message);
// `key` also gives the id.
std::optional<Message> decode_message(std::string_view key, std::string_view value);

std::string encode(std::string_view key, const DeliveryRecord& delivery);
std::optional<DeliveryRecord> decode_delivery(std::string_view key, std::string_view value);

std::string encode(std::string_view key, const QueueRecord& queue);
std::optional<QueueRecord> decode_queue(std::string_view key, std::string_view value);

std::string encode(std::string_view key, const TenantRecord& tenant);
std::optional<TenantRecord> decode_tenant(std::string_view key, std::string_view value);

// That a body is being written; all it says is in the key.
std::string encode_mark(std::string_view key);
bool is_mark(std::string_view key, std::string_view value);

// Reason and end of a suspension; `key` says what it is of.
std::string encode(std::string_view key, const Suspension& suspension);
std::optional<Suspension> decode_suspension(std::string_view key, std::string_view value);

std::string encode(std::string_view key, const Totals& totals);
std::optional<Totals> decode_totals(std::string_view key, std::string_view value);

// A lone number: deliveries left, schema version.
std::string encode_number(std::string_view key, std::uint64_t number);
std::optional<std::uint64_t> decode_number(std::string_view key, std::string_view value);

// A lone text: why a delivery is in quarantine.
std::string encode_text(std::string_view key, std::string_view text);
std::optional<std::string> decode_text(std::string_view key, std::string_view value);

// The queue of the message's deliveries to this domain.
QueueName queue_name(const Message& message, const std::string& domain);

// What goes behind the octets of a body chunk that is made of `pieces`.
std::array<char, kTrailerSize> body_trailer(std::string_view key,
                                            std::span<const std::string_view> pieces);
// The octets of a stored body chunk, sharing its memory.
std::optional<Chunk> open_body_chunk(std::string_view key, const Chunk& value);

}  // namespace postrider::queue
