#include "relay/delivery/own_addresses.h"

#include <algorithm>
#include <ifaddrs.h>
#include <memory>
#include <optional>

#include "relay/base/log.h"

namespace postrider::delivery {

namespace {

std::vector<IpAddress> interface_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) {
    log::warning("server", "the addresses of the interfaces cannot be read");
    return {};
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(first, &::freeifaddrs);
  std::vector<IpAddress> addresses;
  for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    // Null for an interface without an address.
    const auto endpoint =
        at->ifa_addr != nullptr ? Endpoint::from_sockaddr(at->ifa_addr) : std::optional<Endpoint>();
    if (endpoint) addresses.push_back(endpoint->ip);
  }
  return addresses;
}

}  // namespace

std::vector<Network> own_addresses(const std::vector<IpAddress>& bound) {
  std::vector<IpAddress> own;
  for (const IpAddress& ip : bound) {
    if (!ip.is_unspecified()) {
      own.push_back(ip);
      continue;
    }
    for (const IpAddress& address : interface_addresses()) {
      if (address.is_v4() == ip.is_v4()) own.push_back(address);
    }
  }
  std::sort(own.begin(), own.end());
  own.erase(std::unique(own.begin(), own.end()), own.end());
  std::vector<Network> networks;
  networks.reserve(own.size());
  for (const IpAddress& ip : own) networks.push_back({ip, ip.is_v4() ? 32U : 128U});
  return networks;
}

}  // namespace postrider::delivery
