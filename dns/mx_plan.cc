#include "dns/mx_plan.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace postrider::dns {

namespace {

bool before(const MxRecord& a, const MxRecord& b) {
  return std::tie(a.preference, a.host) < std::tie(b.preference, b.host);
}

// RFC 5321 section 5.1: hosts of one preference are tried in random order, to spread load.
void shuffle_ties(std::vector<MxRecord>& hosts, Random& random) {
  for (std::size_t first = 0; first < hosts.size();) {
    std::size_t end = first + 1;
    while (end < hosts.size() && hosts[end].preference == hosts[first].preference) ++end;
    for (std::size_t left = end - first; left > 1; --left) {
      std::swap(hosts[first + left - 1], hosts[first + random.below(left)]);
    }
    first = end;
  }
}

}  // namespace

MxPlan make_plan(const std::string& domain, std::vector<MxRecord> records, Random& random) {
  if (records.empty()) return {PlanKind::kImplicit, {MxRecord{0, domain}}};
  // RFC 7505 section 3: a null MX stands alone; beside others it is an error of the zone, and the
  // others are hosts that somebody meant.
  std::erase_if(records, [](const MxRecord& record) { return record.host.empty(); });
  if (records.empty()) return {PlanKind::kNullMx, {}};

  std::sort(records.begin(), records.end(), before);
  std::unordered_set<std::string> seen;
  std::erase_if(records, [&](const MxRecord& record) { return !seen.insert(record.host).second; });
  // Cut before the shuffle: the same records always give the same set, so that the site's name
  // does not change from answer to answer.
  if (records.size() > kHostsMax) records.resize(kHostsMax);
  shuffle_ties(records, random);
  return {PlanKind::kHosts, std::move(records)};
}

std::string site_name(const MxPlan& plan) {
  std::vector<std::string> names;
  names.reserve(plan.hosts.size());
  for (const MxRecord& record : plan.hosts) names.push_back(record.host);
  std::sort(names.begin(), names.end());
  std::string joined;
  for (const std::string& name : names) {
    if (!joined.empty()) joined.push_back(',');
    joined.append(name);
  }
  return joined;
}

}  // namespace postrider::dns
