#include "relay/delivery/targets.h"

#include <algorithm>
#include <utility>

namespace postrider::delivery {

using message::Status;

namespace {

// The best host that is this relay itself; null: none is.
const dns::Host* best_own(const dns::Route& route, const std::vector<Network>& own) {
  const dns::Host* best = nullptr;
  for (const dns::Host& host : route.hosts) {
    const bool is_own = std::ranges::any_of(host.addresses, [&own](const IpAddress& ip) {
      return std::ranges::any_of(own, [&ip](const Network& one) { return one.contains(ip); });
    });
    if (is_own && (best == nullptr || host.preference < best->preference)) best = &host;
  }
  return best;
}

}  // namespace

void find_route(dns::Resolver& resolver, const std::string& domain, const Hop& hop,
                Executor& reply_on, UniqueFunction<void(std::shared_ptr<const dns::Route>)> done) {
  if (!hop.is_smart_host()) return resolver.resolve(domain, reply_on, std::move(done));
  if (hop.path.empty()) return resolver.resolve_host(hop.host, reply_on, std::move(done));
  auto route = std::make_shared<dns::Route>();
  route->status = dns::RouteStatus::kFound;
  route->site = hop.site;
  route->hosts.push_back({hop.host, 0, {}, false});
  route->detail = "a socket of this machine";
  reply_on.post([route = std::move(route), done = std::move(done)]() mutable { done(route); });
}

Status verdict_of(const dns::Route& route, const Hop& hop) {
  if (hop.is_smart_host()) {
    return {451, {4, 4, 3}, "The smart host could not be looked up (" + route.detail + ")"};
  }
  switch (route.status) {
    case dns::RouteStatus::kNoDomain:
      return {550, {5, 1, 2}, "The domain does not exist (" + route.detail + ")"};
    case dns::RouteStatus::kNullMx:
      return {556, {5, 1, 10}, "The domain accepts no mail (" + route.detail + ")"};
    case dns::RouteStatus::kNoHosts:
      return {550, {5, 4, 4}, "The domain has no mail host with an address (" + route.detail + ")"};
    case dns::RouteStatus::kFound:
    case dns::RouteStatus::kTemporary:
      break;
  }
  return {451, {4, 4, 3}, "The domain could not be looked up (" + route.detail + ")"};
}

TargetList targets_of(const dns::Route& found, const Hop& hop, const Source& source,
                      const Options& options, const std::vector<Network>& own) {
  if (found.status != dns::RouteStatus::kFound) return {{}, verdict_of(found, hop)};
  if (!hop.path.empty()) return {{{hop.host, {}, hop.path}}, {}};

  dns::Route route = found;
  if (const dns::Host* self = hop.is_smart_host() ? nullptr : best_own(found, own)) {
    std::erase_if(route.hosts,
                  [self](const dns::Host& host) { return host.preference >= self->preference; });
    if (route.hosts.empty()) {
      return {{},
              {554,
               {5, 4, 6},
               "Mail loop: the domain's best mail host is this relay itself (" + self->name + ")"}};
    }
  }
  const bool guarded = !hop.is_smart_host() && !options.allow_special_addresses;
  TargetList list;
  std::size_t refused = 0;
  std::size_t longest = 0;
  for (const dns::Host& host : route.hosts) longest = std::max(longest, host.addresses.size());
  for (std::size_t turn = 0; turn < longest; ++turn) {
    for (const dns::Host& host : route.hosts) {
      if (turn >= host.addresses.size()) continue;
      const IpAddress& ip = host.addresses[turn];
      if (ip.is_special() && guarded) {
        ++refused;
      } else if (source.can_reach(ip) && list.targets.size() < options.addresses_max) {
        list.targets.push_back({host.name, ip});
      }
    }
  }
  if (!list.targets.empty()) return list;
  if (refused > 0) {
    list.verdict = {550,
                    {5, 4, 4},
                    "The domain's mail hosts have only private or reserved addresses (" +
                        route.hosts.front().name + ")"};
  } else {
    list.verdict = {451, {4, 4, 3}, "No mail host has an address of a family we can send from"};
  }
  return list;
}

}  // namespace postrider::delivery
