#include "relay/delivery/scheduler.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/delivery/delivery_fixture.h"

namespace postrider::delivery {
namespace {

using metrics::Metric;
using ::testing::ElementsAre;
using ::testing::SizeIs;

// Two schedulers on the test's loop, as two workers would have, and the queue behind them.
class SchedulerTest : public DeliveryTest {
 protected:
  ~SchedulerTest() override { end(); }

  void serve() {
    open();
    std::vector<Scheduler*> all;
    for (int i = 0; i < 2; ++i) {
      schedulers_.push_back(std::make_unique<Scheduler>(*shared_, *loop_));
      all.push_back(schedulers_.back().get());
    }
    for (const auto& scheduler : schedulers_) scheduler->set_peers(all);
    dispatcher_ = std::make_unique<Dispatcher>(std::move(all));
    leases_.pass_on_to(dispatcher_.get());
  }

  // As the daemon does it: nothing is posted to a scheduler that has gone.
  void end() {
    if (!queue_) return;
    queue_->stop_leasing();
    leases_.close();
    turn(3);
    schedulers_.clear();
  }

  // So many deliveries to one destination, each on a connection of its own, whose texts the host
  // has and does not answer.
  bool carry_at_once(std::size_t count) {
    add_host().replies["."] = kSilence;
    options_.window.connections_first = count;
    resolver_.routes["to.example"] = route_to({"127.0.0.1"});
    serve();
    for (std::size_t i = 0; i < count; ++i) submit();
    return run_until([&] { return host_->messages.size() == count; });
  }

  bool quiet() {
    return std::ranges::all_of(schedulers_, [](const auto& one) { return one->quiet(); });
  }

  void shut_down() {
    queue_->stop_leasing();
    for (const auto& scheduler : schedulers_) scheduler->shut_down();
  }

  std::vector<std::unique_ptr<Scheduler>> schedulers_;
  std::unique_ptr<Dispatcher> dispatcher_;
};

TEST_F(SchedulerTest, DeliversWhatIsDue) {
  add_host();
  resolver_.routes["to.example"] = route_to({"127.0.0.1"});
  serve();
  submit();
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_THAT(host_->messages, ElementsAre(Mail().text));
  EXPECT_EQ(events_of("delivered"), 1U);
}

TEST_F(SchedulerTest, EveryWorkerCarriesForADestinationWithManyConnections) {
  ASSERT_TRUE(carry_at_once(8));
  EXPECT_EQ(counted(Metric::kLaneDeliveries), 2U);  // of the four that the owner need not have
}

TEST_F(SchedulerTest, ItsOwnerAloneCarriesForADestinationWithFew) {
  ASSERT_TRUE(carry_at_once(4));
  EXPECT_EQ(counted(Metric::kLaneDeliveries), 0U);
}

TEST_F(SchedulerTest, WhatLanesCarryEndsInOrder) {
  ASSERT_TRUE(carry_at_once(8));
  shut_down();
  host_->say_to_all("250 2.0.0 Ok");
  EXPECT_TRUE(run_until([this] { return quiet() && events_of("delivered") == 8; }));
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
}

TEST_F(SchedulerTest, WhatLanesCarryIsCut) {
  ASSERT_TRUE(carry_at_once(8));
  shut_down();
  for (const auto& scheduler : schedulers_) scheduler->cut_off();
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
  EXPECT_EQ(queue_->stats().leases, 0U);
  EXPECT_EQ(queue_->stats().messages, 8U);
}

TEST_F(SchedulerTest, TenantsMayTakeDifferentRoutesToADomain) {
  add_host();
  const auto shops = neighbour("127.0.0.2");
  resolver_.routes["to.example"] = route_to({"127.0.0.1"});
  resolver_.routes["host [127.0.0.2]"] = route_to({"127.0.0.2"}, "[127.0.0.2]");
  serve();
  RouteOptions route;
  route.domain = "*";
  route.tenant = "shop";
  route.host = "127.0.0.2";
  route.port = host_->endpoint().port;
  route.tls = policy::TlsLevel::kNone;
  shared_->routes.add(route.domain, route.tenant, smart_host(route, "", client_tls_));
  for (int i = 0; i < 2; ++i) {
    submit({.text = "Subject: all\r\n\r\n"});
    submit({.text = "Subject: shop\r\n\r\n", .tenant = "shop"});
  }
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_THAT(host_->messages, testing::Each("Subject: all\r\n\r\n"));
  EXPECT_THAT(shops->messages, testing::Each("Subject: shop\r\n\r\n"));
  EXPECT_THAT(host_->messages, SizeIs(2));
  EXPECT_THAT(shops->messages, SizeIs(2));
}

TEST_F(SchedulerTest, AsksOnceForADomain) {
  add_host();
  resolver_.routes["to.example"] = route_to({"127.0.0.1"});
  resolver_.hold = true;
  serve();
  for (int i = 0; i < 5; ++i) submit();
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == 5; }));
  turn(5);
  resolver_.release();
  ASSERT_TRUE(run_until_queue_holds(0));
  submit();
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_THAT(resolver_.asked, ElementsAre("to.example"));
}

TEST_F(SchedulerTest, DomainsOfOneSiteShareItsConnections) {
  options_.window.connections_first = 1;
  options_.window.connections_max = 1;
  add_host();
  serve();
  for (int i = 0; i < 12; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    resolver_.routes[domain] = route_to({"127.0.0.1"}, "shared-mx.example");
    submit({.to = {"b@" + domain}});
  }
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(host_->connections, 1U);
  EXPECT_EQ(gauge(Metric::kSitesActive), 1);
}

TEST_F(SchedulerTest, BouncesWhatHasNoDomain) {
  serve();
  submit({.sender = "", .to = {"b@nowhere.example"}});
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(events_of("bounced"), 1U);
  EXPECT_EQ(counted(Metric::kRecipientsBounced, "route"), 1U);
}

TEST_F(SchedulerTest, PutsOffWhatCannotBeLookedUpNow) {
  auto route = std::make_shared<dns::Route>();
  route->status = dns::RouteStatus::kTemporary;
  route->detail = "MX to.example: timeout";
  resolver_.routes["to.example"] = route;
  serve();
  submit();
  ASSERT_TRUE(run_until([&] { return events_of("deferred") == 1; }));
  EXPECT_EQ(counted(Metric::kRecipientsDeferred, "route"), 1U);
  EXPECT_EQ(queue_->stats().messages, 1U);
}

TEST_F(SchedulerTest, OneMessageToManyDomainsEndsEverywhere) {
  add_host();
  serve();
  Mail mail;
  mail.to.clear();
  for (int i = 0; i < 8; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    resolver_.routes[domain] = route_to({"127.0.0.1"}, "mx." + domain);
    mail.to.push_back("b@" + domain);
  }
  submit(mail);
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_THAT(host_->messages, SizeIs(8));
  EXPECT_EQ(gauge(Metric::kSitesActive), 8);
}

TEST_F(SchedulerTest, ShutDownEndsInOrder) {
  add_host().once["."] = {std::string(kSilence)};
  options_.window.connections_first = 1;
  resolver_.routes["to.example"] = route_to({"127.0.0.1"});
  serve();
  submit();
  submit();
  ASSERT_TRUE(run_until([&] { return host_->messages.size() == 1; }));
  shut_down();
  EXPECT_FALSE(quiet());
  host_->say_to_all("250 2.0.0 Ok");
  EXPECT_TRUE(run_until([&] { return quiet(); }));
  EXPECT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  EXPECT_EQ(events_of("delivered"), 1U);
  EXPECT_TRUE(run_until_queue_holds(1));
}

TEST_F(SchedulerTest, AnAnswerAfterShutDownIsTooLate) {
  resolver_.routes["to.example"] = route_to({"127.0.0.1"});
  resolver_.hold = true;
  serve();
  submit();
  ASSERT_TRUE(run_until([&] { return !resolver_.asked.empty(); }));
  shut_down();
  EXPECT_TRUE(quiet());
  resolver_.release();
  turn(5);
  EXPECT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  EXPECT_EQ(gauge(Metric::kSitesActive), 0);
}

TEST_F(SchedulerTest, CutOffDropsEverySite) {
  add_host().replies["."] = kSilence;
  resolver_.routes["to.example"] = route_to({"127.0.0.1"});
  serve();
  submit();
  ASSERT_TRUE(run_until([&] { return host_->messages.size() == 1; }));
  queue_->stop_leasing();
  for (const auto& scheduler : schedulers_) scheduler->cut_off();
  EXPECT_TRUE(quiet());
  EXPECT_EQ(gauge(Metric::kSitesActive), 0);
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
  EXPECT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  EXPECT_EQ(queue_->stats().messages, 1U);
}

TEST_F(SchedulerTest, TheDispatcherKeepsADomainOnOneWorker) {
  serve();
  resolver_.hold = true;
  for (int i = 0; i < 20; ++i) submit();
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == 20; }));
  turn(5);
  EXPECT_THAT(resolver_.asked, SizeIs(1));  // two workers would have asked twice
  resolver_.release();
  turn(5);
}

}  // namespace
}  // namespace postrider::delivery
