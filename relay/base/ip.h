// IP addresses, endpoints and networks as values, with their text forms. No sockets here.
// Thread: values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "relay/base/result.h"

struct sockaddr;
struct sockaddr_storage;

namespace postrider {

// An IPv4 or IPv6 address. IPv4-mapped IPv6 addresses (::ffff:a.b.c.d) become IPv4 on the way in,
// so that one host has one value. Default: IPv4 0.0.0.0.
class IpAddress {
 public:
  IpAddress() = default;
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::uint32_t host_order);
  // 4 or 16 bytes in network order; anything else is nullopt.
  static std::optional<IpAddress> from_bytes(std::string_view bytes);

  [[nodiscard]] bool is_v4() const { return v4_; }

  // 4 or 16 bytes, network order, into this object.
  [[nodiscard]] std::string_view bytes() const;
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_loopback() const;
  // Not a place on the public internet (RFC 6890): unspecified, loopback, private, shared
  // (100.64/10), link-local, unique local, benchmarking, documentation, multicast, broadcast,
  // reserved; IPv6 forms that embed such an IPv4 address (6to4, NAT64 64:ff9b::/96,
  // IPv4-compatible) included.
  [[nodiscard]] bool is_special() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  bool v4_ = true;
  std::array<std::uint8_t, 16> octets_{};  // an IPv4 address uses the first four
};

struct Endpoint {
  IpAddress ip;
  std::uint16_t port = 0;

  // "192.0.2.1:25", "[2001:db8::1]:25".
  static Result<Endpoint> parse(std::string_view text);
  static std::optional<Endpoint> from_sockaddr(const sockaddr* address);
  // Fills `storage`; returns the length for bind(2) and connect(2).
  unsigned to_sockaddr(sockaddr_storage& storage) const;
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const Endpoint&) const = default;
};

struct Network {
  IpAddress base;
  unsigned prefix_length = 32;

  // "10.0.0.0/8", "2001:db8::/32", or a lone address. Host bits that are set are an error.
  static Result<Network> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& ip) const;
  [[nodiscard]] std::string to_string() const;

  bool operator==(const Network&) const = default;
};

}  // namespace postrider
