// What the tests of a site share: one for the hosts of mx.example, and the leases it is given.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "relay/delivery/site.h"
#include "tests/unit/relay/delivery/delivery_fixture.h"

namespace postrider::delivery {

class SiteTest : public DeliveryTest {
 protected:
  ~SiteTest() override { site_.reset(); }

  void make_site() { site_ = new_site(); }

  // `provider`: what it shares with the other sites of one.
  std::unique_ptr<Site> new_site(std::shared_ptr<Allowance> provider = nullptr) {
    if (!shared_) open();
    const Source& source = *shared_->sources.pool("").front();
    return std::make_unique<Site>(
        *shared_, *loop_,
        SiteOfSource{"mx.example", &shared_->routes.mail_hosts(), &source,
                     shared_->destinations.site_limits({"mx.example"}, source),
                     &shared_->destinations.replies({"mx.example", provider_rule_}),
                     std::move(provider)});
  }

  // A lease is given back by being destroyed, so the site gets it before anything else can fail.
  void give(std::vector<queue::Lease> leases) { site_->accept(route_, std::move(leases)); }

  void give_one() { give(some_leases(1)); }

  bool run_until_quiet() {
    return run_until([&] { return site_->quiet(); });
  }

  [[nodiscard]] std::uint64_t dials_failed() {
    return counted(metrics::Metric::kConnectionsOut, "connect");
  }

  // What the queue says of the one message in it.
  queue::DeliverySummary only_delivery() {
    const auto all = queue_->messages({.all = true}, 10);
    EXPECT_TRUE(all && all->messages.size() == 1 && all->messages.front().deliveries.size() == 1);
    return all && !all->messages.empty() ? all->messages.front().deliveries.at(0)
                                         : queue::DeliverySummary{};
  }

  const ProviderOptions* provider_rule_ = nullptr;
  std::shared_ptr<const dns::Route> route_ = route_to({"127.0.0.1"});
  std::unique_ptr<Site> site_;
};

}  // namespace postrider::delivery
