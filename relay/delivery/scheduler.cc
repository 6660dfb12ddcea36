#include "relay/delivery/scheduler.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace postrider::delivery {

namespace {

const std::string& site_of(const Hop& hop, const dns::Route& route) {
  return hop.is_smart_host() ? hop.site : route.site;
}

}  // namespace

Scheduler::Scheduler(Shared& shared, event::Loop& loop)
    : shared_(shared), loop_(loop), peers_{this}, sweeper_(loop, [this] { sweep(); }) {
  sweeper_.arm(shared_.clock.now() + kSweepInterval);
}

Scheduler::~Scheduler() = default;

void Scheduler::post_leases(std::vector<queue::Lease> leases) {
  loop_.post([this, leases = std::move(leases)]() mutable { accept(std::move(leases)); });
}

void Scheduler::accept(std::vector<queue::Lease> leases) {
  if (stopping_) return;  // given back as they are destroyed
  const TimePoint now = shared_.clock.now();
  // Neighbours of one domain travel together: one look at the route, one hop to the owner.
  std::unordered_map<std::string, std::vector<queue::Lease>> routed;
  for (queue::Lease& lease : leases) {
    Domain& domain = domains_[lease.domain()];
    if (domain.route && now < domain.route_until) {
      routed[lease.domain()].push_back(std::move(lease));
      continue;
    }
    const std::string name = lease.domain();
    domain.resolving.push_back(std::move(lease));
    if (std::exchange(domain.asked, true)) continue;
    domain.hop = &shared_.routes.find(name);
    look_up(name, *domain.hop);
  }
  for (auto& [name, group] : routed) {
    const Domain& domain = domains_[name];
    forward(*domain.hop, domain.route, std::move(group));
  }
}

void Scheduler::look_up(const std::string& name, const Hop& hop) {
  auto done = [this, name](const std::shared_ptr<const dns::Route>& route) {
    resolved(name, route);
  };
  if (hop.is_smart_host()) {
    shared_.resolver.resolve_host(hop.host, loop_, std::move(done));
  } else {
    shared_.resolver.resolve(name, loop_, std::move(done));
  }
}

void Scheduler::resolved(const std::string& name, const std::shared_ptr<const dns::Route>& route) {
  const auto found = domains_.find(name);
  if (found == domains_.end()) return;
  Domain& domain = found->second;
  domain.asked = false;
  domain.route = route;
  // A failure is remembered by the resolver alone, which knows for how long.
  const bool failed = route->status == dns::RouteStatus::kTemporary;
  domain.route_until = shared_.clock.now() + (failed ? Duration(0) : kRouteReuse);
  forward(*domain.hop, route, std::exchange(domain.resolving, {}));
}

void Scheduler::forward(const Hop& hop, const std::shared_ptr<const dns::Route>& route,
                        std::vector<queue::Lease> leases) {
  if (stopping_) return;
  if (route->status != dns::RouteStatus::kFound) {
    const message::Status verdict =
        targets_of(*route, hop, shared_.options, shared_.own_addresses).verdict;
    for (queue::Lease& lease : leases) {
      conclude_all(shared_, loop_, std::move(lease), message::Stage::kRoute, verdict, {});
    }
    return;
  }
  Scheduler* owner = peers_[std::hash<std::string>{}(site_of(hop, *route)) % peers_.size()];
  if (owner == this) return accept_routed(hop, route, std::move(leases));
  owner->loop_.post([owner, &hop, route, leases = std::move(leases)]() mutable {
    owner->accept_routed(hop, route, std::move(leases));
  });
}

void Scheduler::accept_routed(const Hop& hop, const std::shared_ptr<const dns::Route>& route,
                              std::vector<queue::Lease> leases) {
  if (stopping_) return;
  const std::string& name = site_of(hop, *route);
  std::unique_ptr<Site>& site = sites_[name];
  if (!site) site = std::make_unique<Site>(shared_, loop_, name, hop);
  site->accept(route, std::move(leases));
}

void Scheduler::sweep() {
  const TimePoint now = shared_.clock.now();
  const Duration keep = sites_.size() > kSitesRememberedMax ? Duration(0) : kForgetSite;
  std::erase_if(sites_, [now, keep](const auto& entry) {
    return entry.second->quiet() && now - entry.second->quiet_since() >= keep;
  });
  std::erase_if(domains_, [now](const auto& entry) {
    return !entry.second.asked && now > entry.second.route_until;
  });
  sweeper_.arm(now + kSweepInterval);
}

void Scheduler::shut_down() {
  stopping_ = true;
  domains_.clear();
  for (auto& [name, site] : sites_) site->shut_down();
}

void Scheduler::cut_off() {
  stopping_ = true;
  domains_.clear();
  sites_.clear();
  sweeper_.disarm();
}

bool Scheduler::quiet() const {
  return std::ranges::all_of(sites_, [](const auto& entry) { return entry.second->quiet(); });
}

void Dispatcher::deliver(std::vector<queue::Lease> leases) {
  std::vector<std::vector<queue::Lease>> parts(schedulers_.size());
  for (queue::Lease& lease : leases) {
    parts[std::hash<std::string>{}(lease.domain()) % parts.size()].push_back(std::move(lease));
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].empty()) schedulers_[i]->post_leases(std::move(parts[i]));
  }
}

}  // namespace postrider::delivery
