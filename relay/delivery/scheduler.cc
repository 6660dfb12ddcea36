#include "relay/delivery/scheduler.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace postrider::delivery {

namespace {

// What a table of sites, or of providers, has for each source.
std::string key_of(const std::string& name, const Source& source) {
  // No host name and no provider's name has a line end.
  return name + "\n" + source.name;
}

}  // namespace

Scheduler::Scheduler(Shared& shared, event::Loop& loop)
    : shared_(shared), loop_(loop), peers_{this}, lanes_(shared, loop), sweeper_(loop, [this] {
        sweep();
      }) {
  sweeper_.arm(shared_.clock.now() + kSweepInterval);
}

Scheduler::~Scheduler() = default;

void Scheduler::set_peers(std::vector<Scheduler*> peers) {
  peers_ = std::move(peers);
  other_lanes_.clear();
  for (Scheduler* peer : peers_) {
    if (peer != this) other_lanes_.push_back(&peer->lanes_);
  }
}

void Scheduler::post_leases(std::vector<queue::Lease> leases) {
  loop_.post([this, leases = std::move(leases)]() mutable { accept(std::move(leases)); });
}

void Scheduler::accept(std::vector<queue::Lease> leases) {
  if (stopping_) return;  // given back as they are destroyed
  const TimePoint now = shared_.clock.now();
  // Neighbours of one domain travel together: one look at the route, one hop to the owner.
  std::unordered_map<const Domain*, std::vector<queue::Lease>> routed;
  for (queue::Lease& lease : leases) {
    const Hop& hop = shared_.routes.find(lease.domain(), lease.message().envelope.tenant);
    Domain& domain = domains_[&hop][lease.domain()];
    if (domain.route && now < domain.route_until) {
      routed[&domain].push_back(std::move(lease));
      continue;
    }
    domain.hop = &hop;
    const std::string name = lease.domain();
    domain.resolving.push_back(std::move(lease));
    if (!std::exchange(domain.asked, true)) look_up(name, hop);
  }
  for (auto& [domain, group] : routed) forward(way_of(*domain), std::move(group));
}

void Scheduler::look_up(const std::string& name, const Hop& hop) {
  auto done = [this, name, &hop](const std::shared_ptr<const dns::Route>& route) {
    resolved(name, hop, route);
  };
  find_route(shared_.resolver, name, hop, loop_, std::move(done));
}

void Scheduler::resolved(const std::string& name, const Hop& hop,
                         const std::shared_ptr<const dns::Route>& route) {
  auto& domains = domains_[&hop];
  const auto found = domains.find(name);
  if (found == domains.end()) return;
  Domain& domain = found->second;
  domain.asked = false;
  domain.route = route;
  // A failure is remembered by the resolver alone, which knows for how long.
  const bool failed = route->status == dns::RouteStatus::kTemporary;
  domain.route_until = shared_.clock.now() + (failed ? Duration(0) : kRouteReuse);
  domain.destination.reset();
  if (route->status == dns::RouteStatus::kFound) {
    domain.destination =
        std::make_shared<const Destination>(shared_.destinations.find(name, hop, *route));
  }
  forward(way_of(domain), std::exchange(domain.resolving, {}));
}

Scheduler& Scheduler::owner_of(const Destination& destination) const {
  return *peers_[std::hash<std::string>{}(destination.owner()) % peers_.size()];
}

void Scheduler::post_look(Destination destination, std::vector<const Source*> sources,
                          UniqueFunction<void(std::vector<std::optional<SiteState>>)> done) {
  Scheduler& owner = owner_of(destination);
  owner.loop_.post([&owner, destination = std::move(destination), sources = std::move(sources),
                    done = std::move(done)]() mutable {
    std::vector<std::optional<SiteState>> states;
    for (const Source* source : sources) {
      const auto found = owner.sites_.find(key_of(destination.site, *source));
      states.push_back(found == owner.sites_.end()
                           ? std::nullopt
                           : std::optional<SiteState>(found->second->state()));
    }
    done(std::move(states));
  });
}

Scheduler::Way Scheduler::way_of(const Domain& domain) {
  return {domain.hop, domain.route, domain.destination};
}

void Scheduler::forward(Way way, std::vector<queue::Lease> leases) {
  if (stopping_) return;
  if (!way.destination) {
    const message::Status verdict = verdict_of(*way.route, *way.hop);
    for (queue::Lease& lease : leases) {
      conclude_all(shared_, loop_, std::move(lease), message::Stage::kRoute, verdict, {});
    }
    return;
  }
  Scheduler* owner = &owner_of(*way.destination);
  if (owner == this) return accept_routed(way, std::move(leases));
  owner->loop_.post([owner, way = std::move(way), leases = std::move(leases)]() mutable {
    owner->accept_routed(way, std::move(leases));
  });
}

void Scheduler::accept_routed(const Way& way, std::vector<queue::Lease> leases) {
  if (stopping_) return;
  std::unordered_map<const Source*, std::vector<queue::Lease>> by_source;
  for (queue::Lease& lease : leases) {
    const queue::Message& message = lease.message();
    const Source& source = shared_.sources.choose(message.envelope.tenant, message.id);
    by_source[&source].push_back(std::move(lease));
  }
  for (auto& [source, group] : by_source) {
    site_of(way, *source).accept(way.route, std::move(group));
  }
}

Site& Scheduler::site_of(const Way& way, const Source& source) {
  const Destination& destination = *way.destination;
  std::unique_ptr<Site>& site = sites_[key_of(destination.site, source)];
  if (!site) {
    site =
        std::make_unique<Site>(shared_, loop_,
                               SiteOfSource{destination.site, way.hop, &source,
                                            shared_.destinations.site_limits(destination, source),
                                            &shared_.destinations.replies(destination),
                                            provider_allowance(destination, source), other_lanes_});
  }
  return *site;
}

std::shared_ptr<Allowance> Scheduler::provider_allowance(const Destination& destination,
                                                         const Source& source) {
  if (destination.provider == nullptr) return nullptr;
  std::shared_ptr<Allowance>& found = providers_[key_of(destination.provider->name, source)];
  if (!found) {
    found = std::make_shared<Allowance>(
        shared_.destinations.provider_limits(*destination.provider, source));
  }
  return found;
}

void Scheduler::sweep() {
  const TimePoint now = shared_.clock.now();
  const Duration keep = sites_.size() > kSitesRememberedMax ? Duration(0) : kForgetSite;
  std::erase_if(sites_, [now, keep](const auto& entry) {
    const Site& site = *entry.second;
    return site.quiet() && site.is_fresh(now) && now - site.quiet_since() >= keep;
  });
  std::erase_if(providers_, [now](const auto& entry) {
    return entry.second.use_count() == 1 && entry.second->is_fresh(now);
  });
  for (auto& [hop, domains] : domains_) {
    std::erase_if(domains, [now](const auto& entry) {
      return !entry.second.asked && now > entry.second.route_until;
    });
  }
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
  lanes_.cut_off();
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
