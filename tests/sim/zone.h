// Zone: what the simulated DNS knows. ZoneResolver: the resolver's contract over it, for one
// process of the relay. Thread: one.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "dns/resolver.h"
#include "tests/sim/timeline.h"

namespace postrider::sim {

struct ZoneEntry {
  dns::RouteStatus status = dns::RouteStatus::kFound;
  dns::Route route;
  Duration answers_after = Milliseconds(20);
  double fails = 0;  // share of the answers that are SERVFAIL

  // For good, so that mail for it may bounce.
  [[nodiscard]] bool leads_nowhere() const {
    if (status == dns::RouteStatus::kTemporary) return false;
    return status != dns::RouteStatus::kFound || route.hosts.front().addresses.front().is_special();
  }
};

class Zone {
 public:
  std::unordered_map<std::string, ZoneEntry> domains;
};

class ZoneResolver final : public dns::Resolver {
 public:
  ZoneResolver(const Zone& zone, Random& random)
      : zone_(zone), random_(random), alive_(std::make_shared<bool>(true)) {}

  ~ZoneResolver() override { stop(); }

  void resolve(std::string domain, Executor& reply_on,
               UniqueFunction<void(std::shared_ptr<const dns::Route>)> done) override {
    auto route = std::make_shared<dns::Route>();
    Duration wait = Milliseconds(20);
    const auto found = zone_.domains.find(domain);
    if (found == zone_.domains.end()) {
      route->status = dns::RouteStatus::kNoDomain;
    } else {
      *route = found->second.route;
      route->status = found->second.status;
      wait = found->second.answers_after;
      if (chance(random_, found->second.fails)) {
        *route = {};
        route->status = dns::RouteStatus::kTemporary;
      }
    }
    route->detail = "MX " + domain;
    Timeline::current().after(wait, [alive = alive_, &reply_on, route = std::move(route),
                                     done = std::move(done)]() mutable {
      if (!*alive) return;
      reply_on.post(
          [route = std::move(route), done = std::move(done)]() mutable { done(std::move(route)); });
    });
  }

  void resolve_host(std::string host, Executor& reply_on,
                    UniqueFunction<void(std::shared_ptr<const dns::Route>)> done) override {
    resolve(std::move(host), reply_on, std::move(done));
  }

  // Whoever asked has gone or goes now.
  void stop() override { *alive_ = false; }

 private:
  const Zone& zone_;
  Random& random_;
  std::shared_ptr<bool> alive_;
};

}  // namespace postrider::sim
