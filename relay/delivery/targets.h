// Targets: the route of a hop, its addresses in the order to be tried, and what a route without any
// means. Pure, but for what the resolver does.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dns/resolver.h"
#include "relay/delivery/options.h"
#include "relay/delivery/routes.h"
#include "relay/delivery/sources.h"
#include "relay/message/status.h"

namespace postrider::delivery {

struct Target {
  std::string host;  // MX host name, for SNI, certificate match and reports
  IpAddress ip;
  std::string path{};  // of a socket of this machine, in place of an address; "": it has one

  // For logs and reports; "": it is a socket.
  [[nodiscard]] std::string ip_text() const { return path.empty() ? ip.to_string() : ""; }

  bool operator==(const Target&) const = default;
};

struct TargetList {
  std::vector<Target> targets;
  // Why it is empty; code 0 while it is not.
  message::Status verdict;
};

// The route of mail for `domain` that takes `hop`: what the DNS says of the domain, or of the smart
// host; a socket of this machine is known without. `done` runs through `reply_on`, exactly once.
void find_route(dns::Resolver& resolver, const std::string& domain, const Hop& hop,
                Executor& reply_on, UniqueFunction<void(std::shared_ptr<const dns::Route>)> done);

// What a route means that was not found.
message::Status verdict_of(const dns::Route& route, const Hop& hop);

// At most options.addresses_max addresses, best preference first, taking one address of each host
// before the second of any, so that one broken host with many addresses cannot use up the tries.
// Special addresses (loopback, private ...) are left out unless allowed; this is the guard against
// an MX that points into our own network, and it looks at the address that is connected to.
//
// Where a host has an address in `own`, this relay is an exchanger of the domain, on whatever port:
// that host, and those of equal or worse preference, are left out (RFC 5321 section 5.1), and a
// domain that has no other is a loop.
//
// Neither of the two for a smart host, which an operator has named; and where it cannot be found
// the mail waits.
//
// Addresses that `source` cannot reach are left out too.
TargetList targets_of(const dns::Route& route, const Hop& hop, const Source& source,
                      const Options& options, const std::vector<Network>& own);

}  // namespace postrider::delivery
