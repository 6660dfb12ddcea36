#include "queue/keys.h"

#include <algorithm>
#include <type_traits>

namespace postrider::queue {

namespace {

constexpr std::size_t kIdSize = 16;
constexpr std::size_t kNumberSize = 4;
constexpr std::size_t kTimeSize = 8;

// In a text within a key: 0x00 is written 0x00 0xff, and 0x00 0x01 ends it. So a text sorts before
// what it is a prefix of, and the end is found without a length in front (which would spoil the
// order).
constexpr char kEscape = '\x00';
constexpr char kEscapedZero = '\xff';
constexpr char kEnd = '\x01';

template <class T>
void append_big_endian(std::string& out, T value) {
  static_assert(std::is_unsigned_v<T>);
  for (int shift = (static_cast<int>(sizeof(T)) - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((value >> shift) & 0xffU));
  }
}

template <class T>
T read_big_endian(std::string_view bytes) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((value << 8U) | static_cast<unsigned char>(bytes[i]));
  }
  return value;
}

void append_id(std::string& out, const MessageId& id) {
  append_big_endian(out, id.high);
  append_big_endian(out, id.low);
}

MessageId read_id(std::string_view bytes) {
  return {read_big_endian<std::uint64_t>(bytes), read_big_endian<std::uint64_t>(bytes.substr(8))};
}

void append_text(std::string& out, std::string_view text) {
  for (const char c : text) {
    out.push_back(c);
    if (c == kEscape) out.push_back(kEscapedZero);
  }
  out.push_back(kEscape);
  out.push_back(kEnd);
}

std::optional<std::string> read_text(std::string_view& bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != kEscape) {
      text.push_back(bytes[i]);
      continue;
    }
    if (++i == bytes.size()) return std::nullopt;
    if (bytes[i] == kEnd) {
      bytes.remove_prefix(i + 1);
      return text;
    }
    if (bytes[i] != kEscapedZero) return std::nullopt;
    text.push_back(kEscape);
  }
  return std::nullopt;
}

// What read_text() would read, as it is written; for texts that are known to be well-formed.
std::string_view take_text(std::string_view& bytes) {
  std::size_t at = bytes.find(kEscape);
  while (bytes.at(at + 1) != kEnd) at = bytes.find(kEscape, at + 2);
  const std::string_view text = bytes.substr(0, at);
  bytes.remove_prefix(at + 2);
  return text;
}

std::string key_of_id(char space, const MessageId& id, std::size_t more = 0) {
  std::string key;
  key.reserve(1 + kIdSize + more);
  key.push_back(space);
  append_id(key, id);
  return key;
}

std::string key_of_number(char space, const MessageId& id, std::uint32_t number) {
  std::string key = key_of_id(space, id, kNumberSize);
  append_big_endian(key, number);
  return key;
}

}  // namespace

std::string encode(const QueueName& name) {
  std::string key;
  key.reserve(name.domain.size() + name.tenant.size() + name.campaign.size() + 7);
  append_text(key, name.domain);
  append_text(key, name.tenant);
  append_text(key, name.campaign);
  key.push_back(static_cast<char>(name.band));
  return key;
}

std::optional<QueueName> decode_queue_name(std::string_view& bytes) {
  std::string_view rest = bytes;
  auto domain = read_text(rest);
  if (!domain) return std::nullopt;
  auto tenant = read_text(rest);
  if (!tenant) return std::nullopt;
  auto campaign = read_text(rest);
  if (!campaign || rest.empty() || static_cast<std::uint8_t>(rest[0]) >= kBands) {
    return std::nullopt;
  }
  QueueName name{std::move(*domain), std::move(*tenant), std::move(*campaign),
                 static_cast<Band>(rest[0])};
  bytes = rest.substr(1);
  return name;
}

std::string tenant_of(std::string_view queue) {
  take_text(queue);
  return *read_text(queue);
}

NameParts parts_of(std::string_view queue) {
  NameParts parts;
  parts.domain = take_text(queue);
  parts.tenant = take_text(queue);
  parts.campaign = take_text(queue);
  return parts;
}

std::string as_written(std::string_view text) {
  std::string part;
  append_text(part, text);
  part.resize(part.size() - 2);
  return part;
}

std::string message_key(const MessageId& id) {
  return key_of_id(space::kMessage, id);
}

std::string left_key(const MessageId& id) {
  return key_of_id(space::kLeft, id);
}

std::string open_key(const MessageId& id) {
  return key_of_id(space::kOpen, id);
}

std::string body_key(const MessageId& id, std::uint32_t chunk) {
  return key_of_number(space::kBody, id, chunk);
}

std::string delivery_key(const DeliveryKey& delivery) {
  return key_of_number(space::kDelivery, delivery.id, delivery.number);
}

std::string quarantine_key(const DeliveryKey& delivery) {
  return key_of_number(space::kQuarantine, delivery.id, delivery.number);
}

std::string state_key(std::string_view name) {
  std::string key(1, space::kState);
  key += name;
  return key;
}

std::string suspension_prefix() {
  return state_key("suspended/");
}

std::string suspension_key(std::string_view domain, std::string_view tenant,
                           std::string_view campaign) {
  std::string key = suspension_prefix();
  for (const std::string_view text : {domain, tenant, campaign}) append_text(key, text);
  return key;
}

std::optional<QueueName> decode_suspension_key(std::string_view key) {
  key.remove_prefix(std::min(key.size(), suspension_prefix().size()));
  QueueName name;
  for (std::string* part : {&name.domain, &name.tenant, &name.campaign}) {
    auto text = read_text(key);
    if (!text) return std::nullopt;
    *part = std::move(*text);
  }
  if (!key.empty()) return std::nullopt;
  return name;
}

std::string tenant_key(std::string_view tenant) {
  std::string key(1, space::kTenant);
  key += tenant;
  return key;
}

std::string queue_key(std::string_view queue) {
  std::string key(1, space::kQueue);
  key += queue;
  return key;
}

std::string due_key(std::string_view queue, const Position& position) {
  std::string key;
  key.reserve(1 + queue.size() + kTimeSize + kIdSize + kNumberSize);
  key.push_back(space::kDue);
  key += queue;
  const auto due = std::max<std::int64_t>(0, position.due.time_since_epoch().count());
  append_big_endian(key, static_cast<std::uint64_t>(due));
  append_id(key, position.id);
  append_big_endian(key, position.number);
  return key;
}

std::optional<MessageId> decode_id(std::string_view key) {
  if (key.size() < 1 + kIdSize) return std::nullopt;
  return read_id(key.substr(1));
}

std::optional<DeliveryKey> decode_delivery_key(std::string_view key) {
  if (key.size() != 1 + kIdSize + kNumberSize) return std::nullopt;
  return DeliveryKey{read_id(key.substr(1)), read_big_endian<std::uint32_t>(key.substr(17))};
}

std::optional<Position> decode_position(std::string_view key, std::string_view queue) {
  if (key.size() != 1 + queue.size() + kTimeSize + kIdSize + kNumberSize) return std::nullopt;
  if (key.substr(1, queue.size()) != queue) return std::nullopt;
  const std::string_view rest = key.substr(1 + queue.size());
  const auto due = static_cast<std::int64_t>(read_big_endian<std::uint64_t>(rest));
  if (due < 0) return std::nullopt;
  return Position{WallTime(Milliseconds(due)), read_id(rest.substr(kTimeSize)),
                  read_big_endian<std::uint32_t>(rest.substr(kTimeSize + kIdSize))};
}

std::string after_prefix(std::string_view prefix) {
  std::string key(prefix);
  while (!key.empty() && key.back() == '\xff') key.pop_back();
  if (!key.empty()) key.back() = static_cast<char>(static_cast<unsigned char>(key.back()) + 1);
  return key;
}

}  // namespace postrider::queue
