// What rules allow a site, alone and beside the other sites of its provider.
#include <algorithm>
#include <gmock/gmock.h>

#include "tests/unit/relay/delivery/site_fixture.h"

namespace postrider::delivery {
namespace {

using metrics::Metric;
using ::testing::HasSubstr;

class LimitedSiteTest : public SiteTest {
 protected:
  ~LimitedSiteTest() override { second_.reset(); }

  // Two sites that share what `rule` says.
  void make_sites(const policy::LimitRule& rule) {
    options_.providers = {{"p", {".example"}, rule}};
    if (!shared_) open();
    auto provider = std::make_shared<Allowance>(
        shared_->destinations.provider_limits(options_.providers[0], {}));
    site_ = new_site(provider);
    second_ = new_site(provider);
  }

  [[nodiscard]] std::size_t transactions() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        host_->commands, [](const std::string& line) { return line.starts_with("MAIL"); }));
  }

  std::unique_ptr<Site> second_;
};

TEST_F(LimitedSiteTest, AMessageRateSpreadsTheMessages) {
  options_.message_rate = {10, Seconds(1)};
  add_host();
  make_site();
  const TimePoint begin = clock_.now();
  give(some_leases(4));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_GE(clock_.now() - begin, Milliseconds(280));
  EXPECT_EQ(counted(Metric::kDeliveriesHeldBack), 0U);
}

TEST_F(LimitedSiteTest, WhatARateWillNotLetThroughSoonHoldsNoLease) {
  options_.message_rate = {1, Seconds(3600)};
  options_.window.connections_first = 1;
  add_host();
  make_site();
  give(some_leases(Backlog::kKeepMin + 6));
  ASSERT_TRUE(run_until([&] { return host_->messages.size() == 1; }));
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == Backlog::kKeepMin; }));
  EXPECT_EQ(counted(Metric::kDeliveriesHeldBack), 5U);
  EXPECT_EQ(queue_->stats().messages, Backlog::kKeepMin + 5);
  const auto all = queue_->messages({.all = true}, 100);
  ASSERT_TRUE(all);
  std::size_t put_off = 0;
  for (const auto& message : all->messages) {
    const queue::DeliverySummary& delivery = message.deliveries.at(0);
    if (delivery.leased) continue;
    ++put_off;
    EXPECT_EQ(delivery.attempts, 0U);
    EXPECT_GT(delivery.due, clock_.wall() + std::chrono::minutes(50));
    EXPECT_THAT(delivery.last_status.text, HasSubstr("held back"));
  }
  EXPECT_EQ(put_off, 5U);
}

TEST_F(LimitedSiteTest, WhatARateHoldsBackEndsWithItsLifetime) {
  options_.message_rate = {1, Seconds(3600)};
  options_.window.connections_first = 1;
  add_host();
  make_site();
  give(some_leases(Backlog::kKeepMin + 2));
  ASSERT_TRUE(run_until([&] { return host_->messages.size() == 1; }));
  const Mail old{.sender = "", .notify = message::kNotifyNever, .lifetime = {}};
  give(some_leases(2, old));
  ASSERT_TRUE(run_until([&] { return events_of("expired") == 2; }));
  const WallTime before = clock_.wall();
  give(some_leases(1, {.to = {"b@ageing.example"}, .lifetime = Seconds(100)}));
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == Backlog::kKeepMin; }));
  const auto ageing = queue_->messages({.domain = "ageing.example"}, 10);
  ASSERT_TRUE(ageing && ageing->messages.size() == 1);
  EXPECT_LE(ageing->messages.front().deliveries.at(0).due, before + Seconds(101));
}

TEST_F(LimitedSiteTest, AConnectionRateSpreadsTheConnections) {
  options_.connection_rate = {5, Seconds(1)};
  options_.messages_per_connection_max = 1;
  add_host();
  make_site();
  const TimePoint begin = clock_.now();
  give(some_leases(3));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(host_->connections, 3U);
  EXPECT_GE(clock_.now() - begin, Milliseconds(380));
}

TEST_F(LimitedSiteTest, MoreRecipientsThanATransactionMayHaveTakeSeveral) {
  options_.recipients_per_transaction_max = 2;
  add_host().once["RCPT"] = {"250 2.1.5 Ok", "250 2.1.5 Ok", "550 5.1.1 Nobody", "250 2.1.5 Ok"};
  make_site();
  Mail mail;
  mail.to = {"a@to.example", "b@to.example", "c@to.example", "d@to.example", "e@to.example"};
  give(some_leases(1, mail));
  ASSERT_TRUE(run_until([&] { return events_of("delivered") == 4; }));
  EXPECT_EQ(transactions(), 3U);
  EXPECT_EQ(host_->connections, 1U);
  EXPECT_EQ(events_of("bounced"), 1U);
  ASSERT_TRUE(run_until_queue_holds(1));  // the report
}

TEST_F(LimitedSiteTest, WhereTheConnectionEndsBetweenTransactionsTheRestWaits) {
  options_.recipients_per_transaction_max = 1;
  add_host().once["MAIL"] = {"250 2.1.0 Ok", std::string(kClose)};
  make_site();
  Mail mail;
  mail.to = {"a@to.example", "b@to.example", "c@to.example"};
  give(some_leases(1, mail));
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  EXPECT_EQ(events_of("delivered"), 1U);
  EXPECT_EQ(only_delivery().recipients.size(), 2U);
  EXPECT_EQ(host_->messages.size(), 1U);
}

TEST_F(LimitedSiteTest, SitesOfAProviderShareItsConnections) {
  options_.idle_timeout = Seconds(100);
  add_host();
  make_sites({.connections_max = 1});
  give(some_leases(3));
  second_->accept(route_, some_leases(3));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(host_->messages.size(), 6U);
  EXPECT_LE(host_->open(), 1U);
}

TEST_F(LimitedSiteTest, AnIdleConnectionMakesWayForAnotherSiteOfTheProvider) {
  options_.idle_timeout = Seconds(100);
  add_host();
  make_sites({.connections_max = 1});
  give_one();
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(host_->open(), 1U);
  second_->accept(route_, some_leases(1));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(host_->connections, 2U);
}

TEST_F(LimitedSiteTest, NeverMoreConnectionsAtATimeThanTheProviderMayHave) {
  options_.window.connections_first = 4;
  add_host().replies["."] = kSilence;
  make_sites({.connections_max = 3});
  give(some_leases(6));
  second_->accept(route_, some_leases(6));
  ASSERT_TRUE(run_until([&] { return host_->messages.size() == 3; }));
  turn(20);
  EXPECT_EQ(host_->connections, 3U);
  EXPECT_EQ(host_->open(), 3U);
}

TEST_F(LimitedSiteTest, SitesOfAProviderShareItsMessageRate) {
  add_host();
  make_sites({.message_rate = policy::Rate{10, Seconds(1)}});
  const TimePoint begin = clock_.now();
  give(some_leases(2));
  second_->accept(route_, some_leases(2));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_GE(clock_.now() - begin, Milliseconds(280));
}

TEST_F(LimitedSiteTest, ASiteThatGoesLeavesItsPlacesToOthers) {
  add_host().replies["."] = kSilence;
  make_sites({.connections_max = 1});
  give(some_leases(1));
  ASSERT_TRUE(run_until([&] { return host_->messages.size() == 1; }));
  second_->accept(route_, some_leases(1));
  turn(5);
  EXPECT_EQ(host_->connections, 1U);
  site_.reset();
  ASSERT_TRUE(run_until([&] { return host_->connections == 2; }));
}

}  // namespace
}  // namespace postrider::delivery
