// Scheduler: the delivery side of one worker. Finds the route of what is due, by its domain and
// tenant, and gives it to the site that owns it, here or on another worker.
//
// Dispatcher: hands the queue's leases to the schedulers. A domain always goes to the same worker,
// which learns its route; hash(site), or hash(provider) where the site belongs to one, then names
// the one worker that owns the site, so that the limits of both are exact without locks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "queue/queue.h"
#include "relay/delivery/lanes.h"
#include "relay/delivery/shared.h"
#include "relay/delivery/site.h"
#include "relay/event/loop.h"
#include "relay/event/timer.h"

namespace postrider::delivery {

// Thread: loop-affine, except where a function says "any thread".
class Scheduler {
 public:
  // What is referred to outlives it.
  Scheduler(Shared& shared, event::Loop& loop);
  // After its loop has ended; leases still held are given back.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // All schedulers, this one included, in the same order everywhere. Before any loop runs.
  void set_peers(std::vector<Scheduler*> peers);

  // Any thread.
  void post_leases(std::vector<queue::Lease> leases);
  // Any thread, of any of the peers: how the site stands for each of these sources. `done` runs on
  // the loop of the site's owner, or never where that has ended.
  void post_look(Destination destination, std::vector<const Source*> sources,
                 UniqueFunction<void(std::vector<std::optional<SiteState>>)> done);
  // Takes no more work, gives back what waits; deliveries in progress go on.
  void shut_down();
  // Cuts what is in progress and drops every site; leases are given back.
  void cut_off();
  // Nothing is open any more.
  [[nodiscard]] bool quiet() const;

 private:
  // The mail for a domain that takes one hop; where tenants have routes, a domain may have several.
  struct Domain {
    const Hop* hop = nullptr;
    std::shared_ptr<const dns::Route> route;
    std::shared_ptr<const Destination> destination;  // of a route that was found
    TimePoint route_until{};
    std::vector<queue::Lease> resolving;  // waits for the answer
    bool asked = false;
  };

  void accept(std::vector<queue::Lease> leases);
  void resolved(const std::string& name, const Hop& hop,
                const std::shared_ptr<const dns::Route>& route);
  void look_up(const std::string& name, const Hop& hop);

  // Where the mail of a domain goes; all shared, as it crosses to the site's owner.
  struct Way {
    const Hop* hop = nullptr;
    std::shared_ptr<const dns::Route> route;
    std::shared_ptr<const Destination> destination;
  };

  [[nodiscard]] Scheduler& owner_of(const Destination& destination) const;
  static Way way_of(const Domain& domain);
  void forward(Way way, std::vector<queue::Lease> leases);
  void accept_routed(const Way& way, std::vector<queue::Lease> leases);
  Site& site_of(const Way& way, const Source& source);
  std::shared_ptr<Allowance> provider_allowance(const Destination& destination,
                                                const Source& source);
  void sweep();

  // A route is used so long without asking the resolver again; not above its smallest TTL
  // (dns::Options::ttl_min).
  static constexpr Duration kRouteReuse = Seconds(5);
  static constexpr Duration kSweepInterval = Seconds(10);
  // A site remembers its window and its addresses' health so long after its last delivery.
  static constexpr Duration kForgetSite = std::chrono::minutes(20);
  // With more sites than this the quiet ones are forgotten at the next sweep: each takes about 2
  // KiB, and a large list has more domains than anybody wants to remember.
  static constexpr std::size_t kSitesRememberedMax = 10'000;

  Shared& shared_;
  event::Loop& loop_;
  std::vector<Scheduler*> peers_;
  std::vector<Lanes*> other_lanes_;  // of the peers but this one
  Lanes lanes_;
  std::unordered_map<const Hop*, std::unordered_map<std::string, Domain>> domains_;  // by name
  // By site and source, and by provider and source.
  std::unordered_map<std::string, std::unique_ptr<Site>> sites_;
  std::unordered_map<std::string, std::shared_ptr<Allowance>> providers_;
  event::Timer sweeper_;
  bool stopping_ = false;
};

// Thread: any (called by the queue).
class Dispatcher final : public queue::Consumer {
 public:
  explicit Dispatcher(std::vector<Scheduler*> schedulers) : schedulers_(std::move(schedulers)) {}

  void deliver(std::vector<queue::Lease> leases) override;

 private:
  std::vector<Scheduler*> schedulers_;
};

}  // namespace postrider::delivery
