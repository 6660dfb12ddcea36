#include "relay/submission/proxy_header.h"

#include <algorithm>
#include <vector>

#include "relay/base/ascii.h"

namespace postrider::submission {

namespace {

// Sections 2.1 and 2.2 of the protocol's specification.
constexpr std::string_view kWord = "PROXY ";
constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kLineMax = 107;
constexpr std::size_t kFixedPart = 16;

// Of version 2: behind the signature.
constexpr std::size_t kCommandAt = 12;
constexpr std::size_t kFamilyAt = 13;
constexpr std::size_t kLengthAt = 14;
constexpr unsigned kLocal = 0x20;
constexpr unsigned kProxy = 0x21;
constexpr unsigned kTcp4 = 0x11;
constexpr unsigned kTcp6 = 0x21;
// All that may stand there: unspecified, TCP and UDP over IPv4 and IPv6, Unix stream and datagram.
constexpr unsigned kFamilies[] = {0x00, kTcp4, 0x12, kTcp6, 0x22, 0x31, 0x32};

unsigned octet(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

unsigned number16(std::string_view bytes, std::size_t at) {
  return octet(bytes, at) << 8U | octet(bytes, at + 1);
}

// Decimal, at most 65535, without zeros in front.
std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto number = ascii::parse_u64(text);
  if (!number || *number > 65535 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

// An address in the family's own text form.
std::optional<IpAddress> parse_address(std::string_view text, bool v6) {
  if ((text.find(':') != std::string_view::npos) != v6) return std::nullopt;
  return IpAddress::parse(text);
}

}  // namespace

ProxyHeader::State ProxyHeader::feed(std::string_view& bytes) {
  while (state_ == State::kIncomplete && !bytes.empty()) {
    head_ += bytes.front();
    bytes.remove_prefix(1);
    state_ = judge();
  }
  return state_;
}

// Of what has come, the last octet of which is new.
ProxyHeader::State ProxyHeader::judge() {
  const std::string_view head = head_;
  if (kWord.starts_with(head) || kSignature.starts_with(head)) return State::kIncomplete;
  if (head.starts_with(kWord)) return judge_line();
  if (head.starts_with(kSignature)) return judge_block();
  return refuse("there is no PROXY header");
}

ProxyHeader::State ProxyHeader::judge_line() {
  const std::string_view line = head_;
  if (line.back() != '\n') {
    return line.size() < kLineMax ? State::kIncomplete : refuse("the line is too long");
  }
  if (!line.ends_with("\r\n")) return refuse("the line does not end in CRLF");
  return judge_words(line.substr(kWord.size(), line.size() - kWord.size() - 2));
}

// "TCP4 source destination source-port destination-port", or "UNKNOWN" and anything.
ProxyHeader::State ProxyHeader::judge_words(std::string_view text) {
  const std::vector<std::string_view> words = ascii::split(text, ' ');
  if (words[0] == "UNKNOWN") return State::kDone;
  const bool v6 = words[0] == "TCP6";
  if ((!v6 && words[0] != "TCP4") || words.size() != 5) return refuse("the line has other words");
  const auto source = parse_address(words[1], v6);
  const auto source_port = parse_port(words[3]);
  if (!source || !source_port || !parse_address(words[2], v6) || !parse_port(words[4])) {
    return refuse("the line has a bad address");
  }
  client_ = Endpoint{*source, *source_port};
  return State::kDone;
}

ProxyHeader::State ProxyHeader::judge_block() {
  const std::string_view block = head_;
  if (block.size() < kFixedPart) return State::kIncomplete;
  const std::size_t size = kFixedPart + number16(block, kLengthAt);
  if (block.size() == kFixedPart) {
    const unsigned command = octet(block, kCommandAt);
    if (command != kLocal && command != kProxy) return refuse("the block has another command");
    const bool known = std::ranges::count(kFamilies, octet(block, kFamilyAt)) > 0;
    // Of LOCAL the family is to be ignored.
    if (command == kProxy && !known) return refuse("the block has another family");
    if (size > kSizeMax) return refuse("the block is too long");
  }
  if (block.size() < size) return State::kIncomplete;
  is_local_ = octet(block, kCommandAt) == kLocal;
  return is_local_ ? State::kDone : judge_addresses(block);
}

// What stands behind the addresses are extensions, none of which is asked for here.
ProxyHeader::State ProxyHeader::judge_addresses(std::string_view block) {
  const unsigned family = octet(block, kFamilyAt);
  if (family != kTcp4 && family != kTcp6) return State::kDone;
  const std::size_t width = family == kTcp4 ? 4 : 16;
  if (block.size() < kFixedPart + 2 * width + 4) return refuse("the block is too short");
  const auto source = IpAddress::from_bytes(block.substr(kFixedPart, width));
  const unsigned port = number16(block, kFixedPart + 2 * width);
  client_ = Endpoint{source.value_or(IpAddress()), static_cast<std::uint16_t>(port)};
  return State::kDone;
}

}  // namespace postrider::submission
