#include "relay/base/ip.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>
#include <span>
#include <sys/socket.h>

#include "relay/base/ascii.h"
#include "relay/base/check.h"

namespace postrider {

namespace {

constexpr std::string_view kMappedPrefix("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);

bool same_leading_bits(std::string_view a, std::string_view b, unsigned bits) {
  const std::size_t whole = bits / 8;
  if (a.substr(0, whole) != b.substr(0, whole)) return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const auto difference = static_cast<unsigned char>(a[whole] ^ b[whole]);
  return (difference >> (8 - rest)) == 0;
}

unsigned width(const IpAddress& ip) {
  return ip.is_v4() ? 32 : 128;
}

std::string quoted(std::string_view text) {
  return "'" + ascii::printable(text, 100) + "'";
}

// A row of the special-purpose registries, in the order in which they are searched.
struct Block {
  std::array<std::uint8_t, 16> prefix;
  unsigned bits;

  [[nodiscard]] bool covers(const IpAddress& ip) const {
    std::array<char, 16> bytes{};
    std::copy(prefix.begin(), prefix.end(), bytes.begin());
    return same_leading_bits({bytes.data(), bytes.size()}, ip.bytes(), bits);
  }
};

bool covered(std::span<const Block> blocks, const IpAddress& ip) {
  return std::any_of(blocks.begin(), blocks.end(),
                     [&](const Block& block) { return block.covers(ip); });
}

// RFC 6890 section 2.2.2 and the multicast block.
constexpr std::array<Block, 15> kSpecialV4 = {{
    {{0}, 8},              // this network
    {{10}, 8},             // private
    {{100, 64}, 10},       // shared, carrier-grade NAT
    {{127}, 8},            // loopback
    {{169, 254}, 16},      // link-local
    {{172, 16}, 12},       // private
    {{192, 0, 0}, 24},     // protocol assignments
    {{192, 0, 2}, 24},     // documentation
    {{192, 88, 99}, 24},   // 6to4 relays, withdrawn by RFC 7526
    {{192, 168}, 16},      // private
    {{198, 18}, 15},       // benchmarking
    {{198, 51, 100}, 24},  // documentation
    {{203, 0, 113}, 24},   // documentation
    {{224}, 4},            // multicast
    {{240}, 4},            // reserved, broadcast
}};

// RFC 6890 section 2.2.3 within 2000::/3; whatever is outside is no global unicast address at all
// (RFC 4291 section 2.4, IANA's IPv6 address space registry).
constexpr std::array<Block, 3> kSpecialV6 = {{
    {{0x20, 0x01}, 23},              // protocol assignments: Teredo, benchmarking, ORCHID
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
    {{0x3f, 0xff}, 20},              // documentation (RFC 9637)
}};
constexpr Block kGlobalUnicast = {{0x20}, 3};
constexpr Block k6to4 = {{0x20, 0x02}, 16};               // RFC 3056: 2002:v4::/48
constexpr Block kNat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};  // RFC 6052: the last four octets
constexpr Block kV4Compatible = {{}, 96};                 // RFC 4291 section 2.5.5.1

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::copy(text.begin(), text.end(), terminated.begin());
  std::array<char, 16> bytes{};
  if (::inet_pton(AF_INET, terminated.data(), bytes.data()) == 1) {
    return from_bytes({bytes.data(), 4});
  }
  if (::inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1) {
    return from_bytes({bytes.data(), 16});
  }
  return std::nullopt;
}

IpAddress IpAddress::v4(std::uint32_t host_order) {
  IpAddress ip;
  for (unsigned i = 0; i < 4; ++i) {
    ip.octets_[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  }
  return ip;
}

std::optional<IpAddress> IpAddress::from_bytes(std::string_view bytes) {
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  if (bytes.size() == 16 && bytes.starts_with(kMappedPrefix)) bytes.remove_prefix(12);
  IpAddress ip;
  ip.v4_ = bytes.size() == 4;
  std::copy(bytes.begin(), bytes.end(), ip.octets_.begin());
  return ip;
}

std::string_view IpAddress::bytes() const {
  return {reinterpret_cast<const char*>(octets_.data()), v4_ ? 4U : 16U};
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const char* done =
      ::inet_ntop(v4_ ? AF_INET : AF_INET6, octets_.data(), text.data(), text.size());
  PR_CHECK(done != nullptr);
  return done;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(octets_.begin(), octets_.end(), [](std::uint8_t octet) { return octet == 0; });
}

bool IpAddress::is_loopback() const {
  if (v4_) return octets_[0] == 127;
  return octets_.back() == 1 && std::all_of(octets_.begin(), octets_.end() - 1,
                                            [](std::uint8_t octet) { return octet == 0; });
}

bool IpAddress::is_special() const {
  if (v4_) return covered(kSpecialV4, *this);
  const auto embeds_special = [this](std::size_t offset) {
    return covered(kSpecialV4, *from_bytes(bytes().substr(offset, 4)));
  };
  if (kNat64.covers(*this) || kV4Compatible.covers(*this)) return embeds_special(12);
  if (k6to4.covers(*this)) return embeds_special(2);
  return !kGlobalUnicast.covers(*this) || covered(kSpecialV6, *this);
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const auto malformed = [text](std::string_view why) {
    return failure(quoted(text) + " is not an address with a port like 192.0.2.1:25 or " +
                   "[2001:db8::1]:25: " + std::string(why));
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed("no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = IpAddress::parse(host);
  if (!ip) return malformed("bad address");
  // An IPv6 address stands in brackets, or its last group could be taken for the port.
  const bool is_v6_text = host.find(':') != std::string_view::npos;
  if (bracketed != is_v6_text) return malformed("brackets are for IPv6 addresses, which need them");
  const auto port = ascii::parse_u64(digits);
  if (!port || digits.size() > 5 || *port > 65535) return malformed("bad port");
  return Endpoint{*ip, static_cast<std::uint16_t>(*port)};
}

std::optional<Endpoint> Endpoint::from_sockaddr(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    return Endpoint{IpAddress::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    const auto ip = IpAddress::from_bytes({reinterpret_cast<const char*>(&in.sin6_addr), 16});
    return Endpoint{*ip, ntohs(in.sin6_port)};
  }
  return std::nullopt;
}

unsigned Endpoint::to_sockaddr(sockaddr_storage& storage) const {
  std::memset(&storage, 0, sizeof storage);
  const std::string_view octets = ip.bytes();
  if (ip.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, octets.data(), octets.size());
    std::memcpy(&storage, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, octets.data(), octets.size());
  std::memcpy(&storage, &in, sizeof in);
  return sizeof in;
}

std::string Endpoint::to_string() const {
  const std::string host = ip.is_v4() ? ip.to_string() : "[" + ip.to_string() + "]";
  return host + ":" + std::to_string(port);
}

Result<Network> Network::parse(std::string_view text) {
  const auto malformed = [text](std::string_view why) {
    return failure(quoted(text) +
                   " is not a network like 10.0.0.0/8 or 2001:db8::/32: " + std::string(why));
  };
  const std::size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const auto base = IpAddress::parse(host);
  if (!base) return malformed("bad address");
  // ::ffff:10.0.0.0/104 is 10.0.0.0/8: the address became IPv4, so its prefix must follow.
  const bool mapped = base->is_v4() && host.find(':') != std::string_view::npos;
  const unsigned written_width = mapped ? 128 : width(*base);
  const unsigned hidden = written_width - width(*base);
  Network network{*base, width(*base)};
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto length = ascii::parse_u64(digits);
    if (!length || digits.size() > 3 || *length > written_width || *length < hidden) {
      return malformed("bad prefix length");
    }
    network.prefix_length = static_cast<unsigned>(*length) - hidden;
  }
  for (unsigned bit = network.prefix_length; bit < width(*base); ++bit) {
    const auto octet = static_cast<unsigned char>(base->bytes()[bit / 8]);
    if ((octet >> (7 - bit % 8) & 1) != 0) return malformed("bits behind the prefix are set");
  }
  return network;
}

bool Network::contains(const IpAddress& ip) const {
  return ip.is_v4() == base.is_v4() && same_leading_bits(base.bytes(), ip.bytes(), prefix_length);
}

std::string Network::to_string() const {
  return base.to_string() + "/" + std::to_string(prefix_length);
}

}  // namespace postrider
