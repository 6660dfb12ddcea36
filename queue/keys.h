// Keys of everything the queue stores: an order-preserving encoding, so that the store's order is
// the queue's order. FORMAT.md shows each byte by byte. Thread: pure functions and values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "queue/band.h"
#include "queue/id.h"
#include "relay/base/clock.h"

namespace postrider::queue {

// The first byte of a key says which space it is in.
namespace space {
inline constexpr char kBody = 'b';
inline constexpr char kDelivery = 'd';
inline constexpr char kDue = 'i';
inline constexpr char kMessage = 'm';
inline constexpr char kLeft = 'n';
inline constexpr char kOpen = 'o';
inline constexpr char kQueue = 'q';
inline constexpr char kTenant = 't';
inline constexpr char kState = 's';
inline constexpr char kWake = 'w';
inline constexpr char kQuarantine = 'x';
}  // namespace space

struct QueueName {
  std::string domain;
  std::string tenant;
  std::string campaign;
  Band band = Band::kNormal;

  bool operator==(const QueueName&) const = default;
};

// Sorts by domain, tenant, campaign, band; no encoded name is a prefix of another.
std::string encode(const QueueName& name);
// The name at the front of `bytes`, which is advanced past it; nullopt if there is none.
std::optional<QueueName> decode_queue_name(std::string_view& bytes);
// Of an encoded name that decode_queue_name() takes: its tenant alone.
std::string tenant_of(std::string_view queue);

// The three texts of such a name as they are written, without their ends: views into it.
struct NameParts {
  std::string_view domain, tenant, campaign;
};

NameParts parts_of(std::string_view queue);
// A text as it stands in one of them.
std::string as_written(std::string_view text);

// One delivery of one message.
struct DeliveryKey {
  MessageId id;
  std::uint32_t number = 0;

  auto operator<=>(const DeliveryKey&) const = default;
};

struct DeliveryKeyHash {
  std::size_t operator()(const DeliveryKey& key) const {
    return MessageIdHash()(key.id) ^ (key.number * 0x9e3779b97f4a7c15ULL);
  }
};

// Where a delivery stands in its queue's part of the due index.
struct Position {
  WallTime due;
  MessageId id;
  std::uint32_t number = 0;

  [[nodiscard]] DeliveryKey delivery() const { return {id, number}; }

  // Above every position a delivery can have.
  static constexpr Position end() {
    return {WallTime::max(), {~std::uint64_t{0}, ~std::uint64_t{0}}, ~std::uint32_t{0}};
  }

  auto operator<=>(const Position&) const = default;
};

std::string message_key(const MessageId& id);
std::string left_key(const MessageId& id);
std::string body_key(const MessageId& id, std::uint32_t chunk);
std::string open_key(const MessageId& id);
std::string delivery_key(const DeliveryKey& delivery);
std::string quarantine_key(const DeliveryKey& delivery);
std::string state_key(std::string_view name);
// Of a suspension; empty texts name nothing.
std::string suspension_key(std::string_view domain, std::string_view tenant,
                           std::string_view campaign);
// What all of them begin with.
std::string suspension_prefix();
// The rest of the key is the tenant as it is.
std::string tenant_key(std::string_view tenant);
// `queue` is an encoded queue name.
std::string queue_key(std::string_view queue);
// Times before 1970 count as 1970.
std::string due_key(std::string_view queue, const Position& position);

// The id (and number) behind the space byte of a message, left, open, delivery or quarantine key.
std::optional<MessageId> decode_id(std::string_view key);
// Domain, tenant and campaign of a suspension's key.
std::optional<QueueName> decode_suspension_key(std::string_view key);
std::optional<DeliveryKey> decode_delivery_key(std::string_view key);
// The position in a due key of `queue`.
std::optional<Position> decode_position(std::string_view key, std::string_view queue);

// The first key above all that begin with `prefix`; the prefix must not be all 0xff.
std::string after_prefix(std::string_view prefix);

}  // namespace postrider::queue
