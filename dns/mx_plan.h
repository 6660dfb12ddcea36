// MX plan: the answers about a domain, turned into an ordered list of hosts, or a verdict. Pure.
// RFC 5321 section 5.1, RFC 7505 (null MX), RFC 974 history left aside.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/random.h"

namespace postrider::dns {

struct MxRecord {
  std::uint16_t preference = 0;
  std::string host;  // normal form, no trailing dot; "" is the root: null MX
};

enum class PlanKind {
  kHosts,     // hosts in order of preference, equal ones shuffled
  kImplicit,  // no MX at all: the domain itself is its one host
  kNullMx,    // the domain accepts no mail: 5.1.10
};

struct MxPlan {
  PlanKind kind = PlanKind::kImplicit;
  std::vector<MxRecord> hosts;  // at most kHostsMax
};

inline constexpr std::size_t kHostsMax = 20;

MxPlan make_plan(const std::string& domain, std::vector<MxRecord> records, Random& random);

// The name of a site: its MX host names, sorted, joined by ",": what domains with the same hosts
// share.
std::string site_name(const MxPlan& plan);

}  // namespace postrider::dns
