// Resolver: the route of a domain (its MX hosts and their addresses), asynchronously, through one
// cache.
//
// One resolver serves the process, on a loop of its own. Many askers of one question cost one
// query. Answers are kept for their TTL within bounds, failures for a short time.
//
// Thread: any for resolve(); the rest as said.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dns/mx_plan.h"
#include "metrics/metrics.h"
#include "relay/base/clock.h"
#include "relay/base/executor.h"
#include "relay/base/ip.h"
#include "relay/base/random.h"
#include "relay/base/result.h"
#include "relay/base/task.h"

namespace postrider::event {
class Loop;
}

namespace postrider::dns {

struct Options {
  // Empty: those of /etc/resolv.conf, read once at start.
  std::vector<Endpoint> servers;
  // One query to one server; and how often the list is gone through.
  Duration query_timeout = Seconds(3);
  unsigned tries = 3;
  // Whole resolution of a domain, MX and addresses.
  Duration deadline = Seconds(30);
  // Queries sent in the last moment (Lookups::kPromptAnswer) and not answered; more wait.
  std::size_t in_flight_max = 500;
  // Resolutions waiting; beyond, kTemporary at once.
  std::size_t waiting_max = 50'000;
  std::size_t cache_entries_max = 100'000;
  Seconds ttl_min{5};
  Seconds ttl_max{86'400};
  // How long a failure that says nothing about the domain (SERVFAIL, timeout) is kept.
  Seconds failure_ttl{30};
  bool ipv6 = true;
  // Servers that are not on this machine are believed too when they say that an answer is authentic
  // (the AD bit of DNSSEC).
  bool trust_ad = false;
};

struct Host {
  std::string name;
  std::uint16_t preference = 0;
  std::vector<IpAddress> addresses;  // may be empty: see Route::status
  bool temporary = false;            // its addresses could not be learned now
};

enum class RouteStatus {
  kFound,      // at least one host has an address
  kNoDomain,   // NXDOMAIN: 5.1.2
  kNullMx,     // 5.1.10 (RFC 7505)
  kNoHosts,    // neither MX nor address, or no MX host has an address: 5.4.4
  kTemporary,  // SERVFAIL, timeout, refused, malformed: 4.4.3; never a reason to try A records
};

struct Route {
  RouteStatus status = RouteStatus::kTemporary;
  std::string site;       // dns::site_name, or the domain where there is no MX
  bool implicit = false;  // no MX: the domain's own addresses
  // Everything it was made of was authentic (DNSSEC), as a trusted server says.
  bool authentic = false;
  std::vector<Host> hosts;  // in the order to be tried
  std::string
      detail;  // for logs and reports: what was asked and what came ("MX example.org: NXDOMAIN")
};

class Resolver {
 public:
  virtual ~Resolver() = default;
  // `done` runs through `reply_on`, exactly once. An address literal ("[192.0.2.1]") resolves to
  // itself.
  virtual void resolve(std::string domain, Executor& reply_on,
                       UniqueFunction<void(std::shared_ptr<const Route>)> done) = 0;
  // The same for the addresses of a host, without a look at MX records.
  virtual void resolve_host(std::string host, Executor& reply_on,
                            UniqueFunction<void(std::shared_ptr<const Route>)> done) = 0;
  // Answers everything that waits with kTemporary and closes its sockets. On the loop's thread,
  // before the loop ends.
  virtual void stop() = 0;
};

// The servers that will be asked: those of `options`, else those of /etc/resolv.conf.
Result<std::vector<Endpoint>> servers_of(const Options& options);

// The real one, over c-ares. `loop` runs on the DNS thread; create it before the loop runs, destroy
// it after.
Result<std::unique_ptr<Resolver>> make_ares_resolver(event::Loop& loop, Options options,
                                                     const Clock& clock, Random& random,
                                                     metrics::Registry& metrics);

}  // namespace postrider::dns
