// PacketReader: reads forward through a DNS packet, compressed names included, without trusting any
// of it. Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::dns {

// RFC 1035 section 2.3.4.
inline constexpr std::size_t kLabelMax = 63;
inline constexpr std::size_t kNameOctetsMax = 255;

// Of a host's name (RFC 1035 section 2.3.1), underscores allowed.
bool is_host_octet(char c);

// After a read beyond the packet's end everything reads as zero and ok() stays false.
class PacketReader {
 public:
  explicit PacketReader(std::string_view packet, std::size_t position = 0)
      : packet_(packet), position_(position) {}

  [[nodiscard]] bool ok() const { return ok_; }

  [[nodiscard]] std::size_t position() const { return position_; }

  std::string_view bytes(std::size_t count) {
    if (!ok_ || position_ > packet_.size() || packet_.size() - position_ < count) {
      ok_ = false;
      return {};
    }
    const std::string_view read = packet_.substr(position_, count);
    position_ += count;
    return read;
  }

  std::uint8_t u8() {
    const std::string_view read = bytes(1);
    return read.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(read[0]);
  }

  std::uint16_t u16() {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }

  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16 | u16();
  }

  // A name in normal form, "" for the root. Octets that are none of a host name's become \DDD (RFC
  // 1035 section 5.1), so that no two names read alike; such a name is never asked for.
  std::string name();

 private:
  // Reads one label or pointer at `at`; false at the root or an error.
  static bool label(PacketReader& at, std::string& text, std::size_t& octets, unsigned& pointers);

  std::string_view packet_;
  std::size_t position_;
  bool ok_ = true;
};

}  // namespace postrider::dns
