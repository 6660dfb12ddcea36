// Targets: the addresses of a route in the order to be tried, and what a route without any means.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "dns/resolver.h"
#include "relay/delivery/options.h"
#include "relay/message/status.h"

namespace postrider::delivery {

struct Target {
  std::string host;  // MX host name, for SNI, certificate match and reports
  IpAddress ip;

  bool operator==(const Target&) const = default;
};

struct TargetList {
  std::vector<Target> targets;
  // Why it is empty; code 0 while it is not.
  message::Status verdict;
};

// At most options.addresses_max addresses, best preference first, taking one address of each host
// before the second of any, so that one broken host with many addresses cannot use up the tries.
// Special addresses (loopback, private ...) are left out unless allowed; this is the guard against
// an MX that points into our own network, and it looks at the address that is connected to.
TargetList targets_of(const dns::Route& route, const Options& options);

}  // namespace postrider::delivery
