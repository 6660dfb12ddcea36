#include "bench/sim/dns_message.h"

#include <algorithm>

#include "relay/base/ascii.h"

namespace postrider::bench {

namespace {

constexpr std::size_t kHeaderSize = 12;
constexpr std::uint16_t kResponse = 0x8000;
constexpr std::uint16_t kAuthoritative = 0x0400;
constexpr std::uint16_t kTruncated = 0x0200;
constexpr std::uint16_t kRecursionDesired = 0x0100;
constexpr std::uint16_t kOpcodeMask = 0x7800;
constexpr std::uint16_t kClassIn = 1;
constexpr std::uint16_t kTypeOpt = 41;
// A compression pointer to the question's name, which is always behind the header.
constexpr std::uint16_t kQuestionName = 0xC000 | kHeaderSize;
constexpr std::uint16_t kOurUdpSize = 1232;

std::uint16_t read_u16(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8U |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

void put_u16(std::string& out, std::uint16_t value) {
  out += static_cast<char>(value >> 8U);
  out += static_cast<char>(value & 0xFFU);
}

void put_u32(std::string& out, std::uint32_t value) {
  put_u16(out, static_cast<std::uint16_t>(value >> 16U));
  put_u16(out, static_cast<std::uint16_t>(value & 0xFFFFU));
}

std::string header(std::uint16_t id, std::uint16_t flags, std::uint16_t questions,
                   std::uint16_t answers, std::uint16_t authorities, std::uint16_t additional) {
  std::string out;
  for (const std::uint16_t field : {id, flags, questions, answers, authorities, additional}) {
    put_u16(out, field);
  }
  return out;
}

// Reads the name at `at`, which a query does not compress; moves `at` behind it.
bool read_name(std::string_view message, std::size_t& at, std::string& name) {
  while (at < message.size()) {
    const std::size_t length = static_cast<unsigned char>(message[at]);
    ++at;
    if (length == 0) return name.size() <= 253;
    if (length > 63 || at + length > message.size()) return false;
    if (!name.empty()) name += '.';
    name += ascii::lower(message.substr(at, length));
    at += length;
  }
  return false;
}

// The sender's UDP size, from the OPT record that stands alone behind the question.
void read_edns(std::string_view message, std::size_t at, DnsQuestion& question) {
  if (at + 11 > message.size() || message[at] != '\0') return;
  if (read_u16(message, at + 1) != kTypeOpt) return;
  question.edns = true;
  question.udp_size = std::max<std::size_t>(question.udp_size, read_u16(message, at + 3));
}

// `label` as DnsRecord::host.
void put_name(std::string& out, const std::string& label) {
  if (label == ".") {
    out += '\0';
    return;
  }
  if (!label.empty()) {
    out += static_cast<char>(label.size());
    out += label;
  }
  put_u16(out, kQuestionName);
}

void put_record(std::string& out, const DnsRecord& record) {
  std::string data;
  if (record.type == DnsType::kMx) put_u16(data, record.preference);
  if (record.type == DnsType::kMx || record.type == DnsType::kCname) {
    put_name(data, record.host);
  } else {
    data = record.address.bytes();
  }
  put_name(out, record.owner);
  put_u16(out, static_cast<std::uint16_t>(record.type));
  put_u16(out, kClassIn);
  put_u32(out, record.ttl);
  put_u16(out, static_cast<std::uint16_t>(data.size()));
  out += data;
}

void put_soa(std::string& out, std::uint32_t ttl) {
  std::string data;
  put_u16(data, kQuestionName);  // MNAME
  put_u16(data, kQuestionName);  // RNAME
  for (const std::uint32_t field : {1U, 3600U, 600U, 86400U, ttl}) put_u32(data, field);
  put_u16(out, kQuestionName);
  put_u16(out, static_cast<std::uint16_t>(DnsType::kSoa));
  put_u16(out, kClassIn);
  put_u32(out, ttl);
  put_u16(out, static_cast<std::uint16_t>(data.size()));
  out += data;
}

void put_opt(std::string& out) {
  out += '\0';
  put_u16(out, kTypeOpt);
  put_u16(out, kOurUdpSize);
  put_u32(out, 0);
  put_u16(out, 0);
}

}  // namespace

std::optional<DnsQuestion> parse_dns_query(std::string_view message, std::string& unreadable) {
  unreadable.clear();
  // Nothing to answer to, or an answer itself: two servers must not talk to each other for ever.
  if (message.size() < kHeaderSize) return std::nullopt;
  const std::uint16_t flags = read_u16(message, 2);
  if ((flags & kResponse) != 0) return std::nullopt;
  DnsQuestion question;
  question.id = read_u16(message, 0);
  question.recursion_desired = (flags & kRecursionDesired) != 0;
  const auto refuse = [&](DnsCode code) {
    const auto reply_flags = kResponse | (flags & kOpcodeMask) | static_cast<unsigned>(code);
    unreadable = header(question.id, static_cast<std::uint16_t>(reply_flags), 0, 0, 0, 0);
    return std::nullopt;
  };
  if ((flags & kOpcodeMask) != 0) return refuse(DnsCode::kNotImp);
  std::size_t at = kHeaderSize;
  if (read_u16(message, 4) != 1 || !read_name(message, at, question.name) ||
      at + 4 > message.size()) {
    return refuse(DnsCode::kFormErr);
  }
  question.type = read_u16(message, at);
  question.record_class = read_u16(message, at + 2);
  at += 4;
  question.wire = message.substr(kHeaderSize, at - kHeaderSize);
  const bool only_additional = read_u16(message, 6) == 0 && read_u16(message, 8) == 0;
  if (only_additional && read_u16(message, 10) > 0) read_edns(message, at, question);
  return question;
}

std::string write_dns_reply(const DnsQuestion& question, const DnsReply& reply,
                            std::size_t size_max) {
  unsigned flags = kResponse | kAuthoritative | static_cast<unsigned>(reply.code);
  if (question.recursion_desired) flags |= kRecursionDesired;
  const auto write = [&](bool truncated) {
    const bool soa = reply.negative_ttl && !truncated;
    const std::size_t answers = truncated ? 0 : reply.answers.size();
    const unsigned all_flags = flags | (truncated ? kTruncated : 0U);
    std::string out = header(question.id, static_cast<std::uint16_t>(all_flags), 1,
                             static_cast<std::uint16_t>(answers + (reply.damaged ? 1 : 0)),
                             soa ? 1 : 0, question.edns ? 1 : 0);
    out += question.wire;
    for (std::size_t i = 0; i < answers; ++i) put_record(out, reply.answers[i]);
    if (soa) put_soa(out, *reply.negative_ttl);
    if (question.edns) put_opt(out);
    return out;
  };
  std::string out = write(reply.truncated);
  return out.size() > size_max ? write(true) : out;
}

}  // namespace postrider::bench
