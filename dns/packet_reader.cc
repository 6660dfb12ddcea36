#include "dns/packet_reader.h"

#include "relay/base/ascii.h"

namespace postrider::dns {

namespace {

// A name in a packet that jumps more often than it can have labels is not honest.
constexpr unsigned kPointersMax = 128;

void append_octet(std::string& text, char c) {
  if (is_host_octet(c)) {
    text.push_back(ascii::to_lower(c));
    return;
  }
  const auto octet = static_cast<unsigned char>(c);
  text.push_back('\\');
  text.push_back(static_cast<char>('0' + octet / 100));
  text.push_back(static_cast<char>('0' + octet / 10 % 10));
  text.push_back(static_cast<char>('0' + octet % 10));
}

}  // namespace

bool is_host_octet(char c) {
  return ascii::is_alpha(c) || ascii::is_digit(c) || c == '-' || c == '_';
}

bool PacketReader::label(PacketReader& at, std::string& text, std::size_t& octets,
                         unsigned& pointers) {
  const std::size_t start = at.position_;
  const unsigned length = at.u8();
  if (!at.ok_ || length == 0) return false;
  if (length >= 0xc0) {
    const std::size_t target = (length & 0x3fU) << 8 | at.u8();
    // Backwards only: a chain that came around again would have to pass labels, whose octets are
    // counted.
    at.ok_ = at.ok_ && target < start && ++pointers <= kPointersMax;
    at.position_ = target;
    return at.ok_;
  }
  const std::string_view content = at.bytes(length);
  octets += length + 1;
  at.ok_ = at.ok_ && length <= kLabelMax && octets < kNameOctetsMax;
  if (!at.ok_) return false;
  if (!text.empty()) text.push_back('.');
  for (const char c : content) append_octet(text, c);
  return true;
}

std::string PacketReader::name() {
  std::string text;
  std::size_t octets = 0;
  unsigned pointers = 0;
  PacketReader at = *this;
  while (label(at, text, octets, pointers)) {
    if (pointers == 0) position_ = at.position_;
  }
  ok_ = ok_ && at.ok_;
  // What follows the name follows its root, or its first pointer.
  position_ += pointers == 0 ? 1 : 2;
  return ok_ ? text : std::string();
}

}  // namespace postrider::dns
