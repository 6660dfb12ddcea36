#include "queue/record.h"

#include <algorithm>
#include <limits>

#include "queue/crc32c.h"
#include "queue/keys.h"

namespace postrider::queue {

namespace {

constexpr char kRecordVersion = 1;

// Bits of a message's flag octet.
constexpr std::uint8_t kEightBit = 1;
constexpr std::uint8_t kSmtpUtf8 = 2;
constexpr unsigned kReturnShift = 2;  // two bits
constexpr std::uint8_t kLowBand = 16;
constexpr std::uint8_t kHighBand = 32;
constexpr std::uint8_t kRelease = 64;
constexpr std::uint8_t kPriority = 128;
// A priority is written as so much more, to be none below 0.
constexpr int kPriorityBias = 9;
// Bits of a delivery's flag octet.
constexpr std::uint8_t kDelayReported = 1;
constexpr unsigned kAskedShift = 1;  // two bits
constexpr std::uint8_t kDeliveryFlagsMax = 5;

class RecordWriter {
 public:
  explicit RecordWriter(std::size_t guess) { out_.reserve(guess); }

  void octet(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }

  // Seven bits an octet, the lowest first; the top bit says that more follow.
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) out_.push_back(static_cast<char>(0x80U | (value & 0x7fU)));
    out_.push_back(static_cast<char>(value));
  }

  void text(std::string_view value) {
    number(value.size());
    out_ += value;
  }

  void time(WallTime value) {
    number(static_cast<std::uint64_t>(std::max<std::int64_t>(0, value.time_since_epoch().count())));
  }

  void id(const MessageId& value) {
    for (const std::uint64_t half : {value.high, value.low}) {
      for (int shift = 56; shift >= 0; shift -= 8) octet(static_cast<std::uint8_t>(half >> shift));
    }
  }

  // The value, with the trailer that makes it stand alone.
  std::string seal(std::string_view key) {
    out_.push_back(kRecordVersion);
    std::uint32_t sum = crc32c(out_, crc32c(key));
    for (int i = 0; i < 4; ++i, sum >>= 8U) out_.push_back(static_cast<char>(sum & 0xffU));
    return std::move(out_);
  }

 private:
  std::string out_;
};

std::uint32_t read_sum(std::string_view trailer) {
  std::uint32_t sum = 0;
  for (int i = 3; i >= 0; --i) {
    sum = (sum << 8U) | static_cast<unsigned char>(trailer[static_cast<std::size_t>(i) + 1]);
  }
  return sum;
}

// Reads what RecordWriter wrote. After the first thing that does not fit, everything read is empty
// or zero and done() is false.
class RecordReader {
 public:
  RecordReader(std::string_view key, std::string_view value) {
    if (value.size() < kTrailerSize) return;
    const std::string_view covered = value.substr(0, value.size() - 4);
    if (covered.back() != kRecordVersion) return;
    if (crc32c(covered, crc32c(key)) != read_sum(value.substr(value.size() - kTrailerSize))) return;
    rest_ = value.substr(0, value.size() - kTrailerSize);
    good_ = true;
  }

  std::uint8_t octet() {
    const std::string_view bytes = take(1);
    return bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
  }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t next = octet();
      value |= static_cast<std::uint64_t>(next & 0x7fU) << shift;
      if ((next & 0x80U) == 0) {
        // One form a number: no bits above 64, no octet at the end that adds nothing.
        if ((shift == 63 && next > 1) || (shift > 0 && next == 0)) good_ = false;
        return good_ ? value : 0;
      }
    }
    good_ = false;
    return 0;
  }

  template <class T>
  T number_as(std::uint64_t limit = std::numeric_limits<T>::max()) {
    const std::uint64_t value = number();
    if (value > limit) good_ = false;
    return good_ ? static_cast<T>(value) : T{};
  }

  std::string text() {
    const std::uint64_t size = number();
    return std::string(take(size));
  }

  WallTime time() {
    constexpr std::uint64_t kLimit = std::numeric_limits<std::int64_t>::max();
    return WallTime(Milliseconds(number_as<std::int64_t>(kLimit)));
  }

  MessageId id() {
    MessageId value;
    for (std::uint64_t* half : {&value.high, &value.low}) {
      for (int i = 0; i < 8; ++i) *half = (*half << 8U) | octet();
    }
    return value;
  }

  // How many things follow, each at least one octet: no more than there are octets.
  std::size_t count() { return number_as<std::size_t>(rest_.size()); }

  void fail() { good_ = false; }

  [[nodiscard]] bool good() const { return good_; }

  // Everything was read and all of it fitted.
  [[nodiscard]] bool done() const { return good_ && rest_.empty(); }

 private:
  std::string_view take(std::uint64_t size) {
    if (!good_ || size > rest_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;  // of the value given to the constructor
  bool good_ = false;
};

template <class T>
std::optional<T> if_done(const RecordReader& in, T value) {
  if (!in.done()) return std::nullopt;
  return value;
}

void write_status(RecordWriter& out, const message::Status& status) {
  out.number(static_cast<std::uint64_t>(std::clamp(status.code, 0, 999)));
  out.octet(status.enhanced.cls);
  out.number(status.enhanced.subject);
  out.number(status.enhanced.detail);
  out.text(std::string_view(status.text).substr(0, message::kStatusTextMax));
}

message::Status read_status(RecordReader& in) {
  message::Status status;
  status.code = in.number_as<int>(999);
  status.enhanced.cls = in.octet();
  status.enhanced.subject = in.number_as<std::uint16_t>();
  status.enhanced.detail = in.number_as<std::uint16_t>();
  status.text = in.text();
  if (status.text.size() > message::kStatusTextMax) in.fail();
  return status;
}

void write_metadata(RecordWriter& out, const std::vector<message::Metadata>& all) {
  out.number(all.size());
  for (const message::Metadata& one : all) {
    out.text(one.name);
    out.text(one.value);
  }
}

std::vector<message::Metadata> read_metadata(RecordReader& in) {
  std::vector<message::Metadata> all;
  const std::size_t count = in.count();
  if (count > message::kMetadataMax) in.fail();
  for (std::size_t i = 0; i < count && in.good(); ++i) {
    message::Metadata one;
    one.name = in.text();
    one.value = in.text();
    if (one.name.size() > message::kMetadataNameMax ||
        one.value.size() > message::kMetadataValueMax) {
      in.fail();
    }
    all.push_back(std::move(one));
  }
  return all;
}

// Metadata and front, which stand there only as far as there is something to say.
void read_tail(RecordReader& in, Message& message) {
  if (in.done()) return;
  message.envelope.metadata = read_metadata(in);
  if (in.done() && !message.envelope.metadata.empty()) return;
  message.front = in.number_as<std::uint64_t>(message.size);
  if (message.front == 0) in.fail();  // is not written
}

}  // namespace

QueueName queue_name(const Message& message, const std::string& domain) {
  return {domain, message.envelope.tenant, message.envelope.campaign, message.band};
}

std::string encode(std::string_view key, const Message& message) {
  const message::Envelope& envelope = message.envelope;
  RecordWriter out(128);
  unsigned flags = static_cast<unsigned>(envelope.return_content) << kReturnShift;
  if (envelope.eight_bit) flags |= kEightBit;
  if (envelope.smtputf8) flags |= kSmtpUtf8;
  if (message.band == Band::kLow) flags |= kLowBand;
  if (message.band == Band::kHigh) flags |= kHighBand;
  if (!envelope.release_request.empty()) flags |= kRelease;
  if (envelope.priority != 0) flags |= kPriority;
  out.octet(static_cast<std::uint8_t>(flags));
  out.text(envelope.sender.local);
  out.text(envelope.sender.domain);
  out.text(envelope.envelope_id);
  out.text(envelope.tenant);
  out.text(envelope.campaign);
  out.text(envelope.user);
  out.number(message.size);
  out.time(message.arrived);
  out.time(message.expires);
  out.number(message.deliveries);
  if ((flags & kRelease) != 0) {
    out.time(envelope.release);
    out.text(envelope.release_request);
  }
  if ((flags & kPriority) != 0) {
    out.octet(static_cast<std::uint8_t>(envelope.priority + kPriorityBias));
  }
  if (!envelope.metadata.empty() || message.front > 0) write_metadata(out, envelope.metadata);
  if (message.front > 0) out.number(message.front);
  return out.seal(key);
}

std::optional<Message> decode_message(std::string_view key, std::string_view value) {
  const auto id = decode_id(key);
  if (!id) return std::nullopt;
  RecordReader in(key, value);
  Message message;
  message.id = *id;
  const std::uint8_t flags = in.octet();
  const unsigned content = (flags >> kReturnShift) & 3U;
  constexpr std::uint8_t kBothBands = kLowBand | kHighBand;
  if ((flags & kBothBands) == kBothBands ||
      content > static_cast<unsigned>(message::ReturnContent::kHeaders)) {
    in.fail();
  }
  if ((flags & kLowBand) != 0) message.band = Band::kLow;
  if ((flags & kHighBand) != 0) message.band = Band::kHigh;
  message.envelope.eight_bit = (flags & kEightBit) != 0;
  message.envelope.smtputf8 = (flags & kSmtpUtf8) != 0;
  message.envelope.return_content = static_cast<message::ReturnContent>(content);
  message.envelope.sender.local = in.text();
  message.envelope.sender.domain = in.text();
  message.envelope.envelope_id = in.text();
  message.envelope.tenant = in.text();
  message.envelope.campaign = in.text();
  message.envelope.user = in.text();
  message.size = in.number();
  message.arrived = in.time();
  message.expires = in.time();
  message.deliveries = in.number_as<std::uint32_t>();
  if ((flags & kRelease) != 0) {
    message.envelope.release = in.time();
    message.envelope.release_request = in.text();
    if (message.envelope.release_request.empty()) in.fail();  // is not written
  }
  if ((flags & kPriority) != 0) {
    message.envelope.priority = in.octet() - kPriorityBias;
    if (message.envelope.priority == 0 || message.envelope.priority > kPriorityBias) in.fail();
  }
  read_tail(in, message);
  return if_done(in, std::move(message));
}

std::string encode(std::string_view key, const DeliveryRecord& delivery) {
  RecordWriter out(64 + delivery.recipients.size() * 32 + delivery.last_status.text.size());
  unsigned flags = static_cast<unsigned>(delivery.asked) << kAskedShift;
  if (delivery.delay_reported) flags |= kDelayReported;
  out.octet(static_cast<std::uint8_t>(flags));
  out.time(delivery.due);
  out.number(delivery.attempts);
  out.text(delivery.domain);
  write_status(out, delivery.last_status);
  out.number(delivery.recipients.size());
  for (const message::Recipient& recipient : delivery.recipients) {
    out.text(recipient.address.local);  // the domain is the delivery's
    out.octet(recipient.notify);
    out.text(recipient.original);
  }
  return out.seal(key);
}

std::optional<DeliveryRecord> decode_delivery(std::string_view key, std::string_view value) {
  RecordReader in(key, value);
  DeliveryRecord delivery;
  const std::uint8_t flags = in.octet();
  if (flags > kDeliveryFlagsMax) in.fail();
  delivery.delay_reported = (flags & kDelayReported) != 0;
  if (in.good()) delivery.asked = static_cast<Asked>(flags >> kAskedShift);
  delivery.due = in.time();
  delivery.attempts = in.number_as<std::uint32_t>();
  delivery.domain = in.text();
  delivery.last_status = read_status(in);
  const std::size_t recipients = in.count();
  if (recipients == 0) in.fail();
  for (std::size_t i = 0; i < recipients && in.good(); ++i) {
    message::Recipient recipient;
    recipient.address.local = in.text();
    recipient.address.domain = delivery.domain;
    recipient.notify = in.octet();
    recipient.original = in.text();
    delivery.recipients.push_back(std::move(recipient));
  }
  return if_done(in, std::move(delivery));
}

std::string encode(std::string_view key, const QueueRecord& queue) {
  RecordWriter out(32);
  out.number(queue.deliveries);
  out.number(queue.bytes);
  out.time(queue.due_bound);
  if (queue.on_hold > 0) out.number(queue.on_hold);
  return out.seal(key);
}

std::optional<QueueRecord> decode_queue(std::string_view key, std::string_view value) {
  RecordReader in(key, value);
  QueueRecord queue;
  queue.deliveries = in.number();
  queue.bytes = in.number();
  queue.due_bound = in.time();
  if (in.done()) return queue;
  queue.on_hold = in.number();
  if (queue.on_hold == 0) in.fail();  // is not written
  return if_done(in, queue);
}

std::string encode(std::string_view key, const TenantRecord& tenant) {
  RecordWriter out(32);
  out.number(tenant.messages);
  out.number(tenant.bytes);
  return out.seal(key);
}

std::optional<TenantRecord> decode_tenant(std::string_view key, std::string_view value) {
  RecordReader in(key, value);
  TenantRecord tenant;
  tenant.messages = in.number();
  tenant.bytes = in.number();
  return if_done(in, tenant);
}

std::string encode_mark(std::string_view key) {
  return RecordWriter(kTrailerSize).seal(key);
}

bool is_mark(std::string_view key, std::string_view value) {
  return RecordReader(key, value).done();
}

std::string encode(std::string_view key, const Suspension& suspension) {
  RecordWriter out(suspension.reason.size() + 32);
  out.text(suspension.reason);
  out.time(suspension.until.value_or(WallTime::max()));
  return out.seal(key);
}

std::optional<Suspension> decode_suspension(std::string_view key, std::string_view value) {
  auto name = decode_suspension_key(key);
  if (!name) return std::nullopt;
  RecordReader in(key, value);
  Suspension suspension{std::move(name->domain), std::move(name->tenant), std::move(name->campaign),
                        in.text(), std::nullopt};
  const WallTime until = in.time();
  if (until != WallTime::max()) suspension.until = until;
  return if_done(in, std::move(suspension));
}

std::string encode(std::string_view key, const Totals& totals) {
  RecordWriter out(80);
  out.number(totals.sequence);
  out.number(totals.messages);
  out.number(totals.bytes);
  out.id(totals.last_id);
  out.id(totals.low_water);
  return out.seal(key);
}

std::optional<Totals> decode_totals(std::string_view key, std::string_view value) {
  RecordReader in(key, value);
  Totals totals;
  totals.sequence = in.number();
  totals.messages = in.number();
  totals.bytes = in.number();
  totals.last_id = in.id();
  totals.low_water = in.id();
  return if_done(in, totals);
}

std::string encode_number(std::string_view key, std::uint64_t number) {
  RecordWriter out(16);
  out.number(number);
  return out.seal(key);
}

std::optional<std::uint64_t> decode_number(std::string_view key, std::string_view value) {
  RecordReader in(key, value);
  const std::uint64_t number = in.number();
  return if_done(in, number);
}

std::string encode_text(std::string_view key, std::string_view text) {
  RecordWriter out(text.size() + 16);
  out.text(text);
  return out.seal(key);
}

std::optional<std::string> decode_text(std::string_view key, std::string_view value) {
  RecordReader in(key, value);
  std::string text = in.text();
  return if_done(in, std::move(text));
}

std::array<char, kTrailerSize> body_trailer(std::string_view key,
                                            std::span<const std::string_view> pieces) {
  std::uint32_t sum = crc32c(key);
  for (const std::string_view piece : pieces) sum = crc32c(piece, sum);
  std::array<char, kTrailerSize> trailer{kRecordVersion};
  sum = crc32c({trailer.data(), 1}, sum);
  for (std::size_t i = 1; i < kTrailerSize; ++i, sum >>= 8U) {
    trailer[i] = static_cast<char>(sum & 0xffU);
  }
  return trailer;
}

std::optional<Chunk> open_body_chunk(std::string_view key, const Chunk& value) {
  if (value.size() < kTrailerSize) return std::nullopt;
  const std::size_t size = value.size() - kTrailerSize;
  const std::string_view trailer = value.view().substr(size);
  if (trailer[0] != kRecordVersion) return std::nullopt;
  if (crc32c(value.view().substr(0, size + 1), crc32c(key)) != read_sum(trailer)) {
    return std::nullopt;
  }
  return value.slice(0, size);
}

}  // namespace postrider::queue
