#include "relay/delivery/site.h"

#include <algorithm>
#include <gmock/gmock.h>

#include "queue/keys.h"
#include "tests/unit/relay/delivery/site_fixture.h"

namespace postrider::delivery {
namespace {

using metrics::Metric;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(SiteTest, DeliversOverAsFewConnectionsAsTheWindowAllows) {
  options_.window.connections_first = 1;
  options_.window.connections_max = 1;
  add_host();
  make_site();
  give(some_leases(5));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(host_->connections, 1U);
  EXPECT_THAT(host_->messages, SizeIs(5));
  EXPECT_EQ(counted(Metric::kConnectionsReused), 4U);
}

TEST_F(SiteTest, AnIdleConnectionTakesTheNextDelivery) {
  add_host();
  make_site();
  give_one();
  ASSERT_TRUE(run_until_queue_holds(0));
  give_one();
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(host_->connections, 1U);
}

TEST_F(SiteTest, OpensNoMoreThanTheFirstWindowAtOnce) {
  options_.window.connections_first = 3;
  add_host().replies[""] = kSilence;
  make_site();
  give(some_leases(10));
  ASSERT_TRUE(run_until([&] { return host_->connections == 3; }));
  turn(20);
  EXPECT_EQ(host_->connections, 3U);
}

TEST_F(SiteTest, OpensNoMoreThanThereIsToCarry) {
  options_.window.connections_first = 8;
  add_host().replies["."] = kSilence;
  make_site();
  give(some_leases(2));
  ASSERT_TRUE(run_until([&] { return host_->messages.size() == 2; }));
  turn(20);
  EXPECT_EQ(host_->connections, 2U);
}

TEST_F(SiteTest, TheWindowGrowsWithSuccess) {
  options_.window.connections_first = 1;
  options_.window.connections_max = 4;
  add_host();
  make_site();
  give(some_leases(12));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_GT(host_->connections, 1U);
  EXPECT_LE(host_->connections, 4U);
}

TEST_F(SiteTest, ReadsBodiesThatAreNotInMemory) {
  queue_options_.lease_bytes_max = 0;
  add_host();
  make_site();
  give(some_leases(3));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_THAT(host_->messages, SizeIs(3));
}

TEST_F(SiteTest, NeverHoldsALargeTextThatIsNotInMemory) {
  queue_options_.lease_bytes_max = 0;
  add_host();
  make_site();
  const std::string text = lines(queue::Queue::kPieceSize * 5);
  give(some_leases(1, {.text = text}));
  std::uint64_t most = 0;
  ASSERT_TRUE(run_until([&] {
    most = std::max(most, queue_->stats().lease_bytes);
    return queue_->stats().messages == 0;
  }));
  EXPECT_LE(most, queue::Queue::kPieceSize);
  ASSERT_THAT(host_->messages, SizeIs(1));
  EXPECT_TRUE(host_->messages[0] == text);
}

TEST_F(SiteTest, NoHostHearsOfALargeTextThatIsDamaged) {
  queue_options_.lease_bytes_max = 0;
  add_host();
  make_site();
  auto leases = some_leases(1, {.text = lines(queue::Queue::kPieceSize * 5)});
  store_.damage(queue::body_key(leases[0].message().id, 19));
  give(std::move(leases));
  ASSERT_TRUE(run_until([&] { return counted(Metric::kQueueQuarantined) == 1; }));
  EXPECT_EQ(
      std::ranges::count_if(host_->commands,
                            [](const std::string& command) { return command.starts_with("MAIL"); }),
      0);
}

TEST_F(SiteTest, PutsOffWhatCannotBeRead) {
  queue_options_.lease_bytes_max = 0;
  add_host();
  make_site();
  auto leases = some_leases(1);
  store_.set_fault([](std::string_view call, std::uint64_t) { return call == "get"; });
  give(std::move(leases));
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  store_.set_fault({});
  EXPECT_THAT(host_->messages, SizeIs(0));
}

// However many connections are tried at once, each address is tried once in a while only.
TEST_F(SiteTest, ADeadSiteIsTriedOnceAndLeftAlone) {
  options_.window.connections_first = 4;
  add_host().stop_listening();
  turn(2);
  make_site();
  give(some_leases(10));
  ASSERT_TRUE(run_until_quiet());
  EXPECT_LE(dials_failed(), 4U);
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  EXPECT_EQ(events_of("deferred"), 10U);
  EXPECT_EQ(counted(Metric::kDeliveriesAttempted), 10U);
}

TEST_F(SiteTest, WhileItWaitsForTheProbeMailIsPutOffWithoutAnAttempt) {
  add_host().stop_listening();
  turn(2);
  make_site();
  give(some_leases(1, {.sender = "", .notify = message::kNotifyNever, .lifetime = {}}));
  ASSERT_TRUE(run_until_queue_holds(0));  // the first has met the outage, and expired
  const std::uint64_t dials = dials_failed();
  const WallTime before = clock_.wall();
  give_one();
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  EXPECT_EQ(dials_failed(), dials);
  const queue::DeliverySummary delivery = only_delivery();
  EXPECT_EQ(delivery.attempts, 0U);
  EXPECT_GT(delivery.due, before + Seconds(20));
  EXPECT_LT(delivery.due, before + Seconds(60));
  EXPECT_THAT(delivery.last_status.text, HasSubstr("connect to mx.example"));
}

TEST_F(SiteTest, WhileItWaitsForTheProbeMailEndsWithItsLifetime) {
  add_host().stop_listening();
  turn(2);
  make_site();
  give(some_leases(1, {.sender = "", .notify = message::kNotifyNever, .lifetime = {}}));
  ASSERT_TRUE(run_until_queue_holds(0));
  const std::uint64_t dials = dials_failed();
  give(some_leases(3, {.sender = "", .notify = message::kNotifyNever, .lifetime = {}}));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(dials_failed(), dials);
  EXPECT_EQ(events_of("expired"), 4U);
  EXPECT_EQ(counted(Metric::kRecipientsExpired), 4U);
  const WallTime before = clock_.wall();
  give(some_leases(1, {.lifetime = Seconds(9)}));  // before the probe
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  EXPECT_LE(only_delivery().due, before + Seconds(10));
}

TEST_F(SiteTest, OneProbeTellsWhetherItIsBack) {
  options_.window.probe_first = Milliseconds(20);
  const Endpoint endpoint = add_host().endpoint();
  host_->stop_listening();
  turn(2);
  make_site();
  give_one();
  ASSERT_TRUE(run_until_quiet());
  MailHost back(*loop_, endpoint);
  const TimePoint probe = clock_.now() + Milliseconds(20);
  ASSERT_TRUE(run_until([&] { return clock_.now() > probe; }));
  give(some_leases(5));
  ASSERT_TRUE(run_until([&] { return back.messages.size() == 5; }));
  EXPECT_LE(back.connections, 5U);
  site_.reset();
}

// What a site refuses for good shows that it is there: after an outage too the window opens.
TEST_F(SiteTest, AfterAnOutageASiteThatRefusesAllMailIsBack) {
  options_.window.probe_first = Milliseconds(20);
  options_.window.connections_first = 3;
  const Endpoint endpoint = add_host().endpoint();
  host_->stop_listening();
  turn(2);
  make_site();
  give_one();
  ASSERT_TRUE(run_until_quiet());
  MailHost back(*loop_, endpoint);
  back.replies["RCPT"] = "550 5.1.1 No such user";
  const TimePoint probe = clock_.now() + Milliseconds(20);
  ASSERT_TRUE(run_until([&] { return clock_.now() > probe; }));
  give(some_leases(8, {.sender = ""}));
  ASSERT_TRUE(run_until([&] { return events_of("bounced") == 8; }));
  EXPECT_GT(back.connections, 1U);
  site_.reset();
}

// A host that takes one connection and refuses the others is not dialed in a loop.
TEST_F(SiteTest, WhileOthersWorkAFailedConnectionIsNotRetriedAtOnce) {
  options_.window.connections_first = 4;
  add_host().replies["."] = kSilence;
  make_site();
  give_one();
  ASSERT_TRUE(run_until([&] { return host_->messages.size() == 1; }));
  host_->stop_listening();
  turn(2);
  give(some_leases(6));
  turn(200);
  EXPECT_GE(dials_failed(), 1U);
  EXPECT_LE(dials_failed(), 4U);
  EXPECT_EQ(host_->open(), 1U);
  EXPECT_EQ(site_->state().held_at, 1U);
  EXPECT_EQ(counted(Metric::kSiteSlowDowns), 1U);
}

TEST_F(SiteTest, ConnectionsAboveAShrunkWindowEnd) {
  options_.window.connections_first = 4;
  options_.window.connections_max = 4;
  options_.idle_timeout = std::chrono::minutes(5);
  add_host().replies["DATA"] = "450 4.7.1 Too many connections; slow down";
  make_site();
  give(some_leases(4, {.sender = "", .lifetime = {}}));
  ASSERT_TRUE(run_until([&] { return counted(Metric::kDeliveriesAttempted) == 4; }));
  EXPECT_TRUE(run_until([&] { return host_->open() <= 2; }));
  turn(50);
  EXPECT_GE(host_->open(), 1U);
  EXPECT_EQ(counted(Metric::kSiteSlowDowns), 1U);
}

TEST_F(SiteTest, WhatAReusedConnectionDidNotBeginGoesAgainAtOnce) {
  options_.window.connections_first = 1;
  add_host().once["MAIL"] = {"250 2.1.0 Ok", std::string(kClose)};
  make_site();
  give_one();
  ASSERT_TRUE(run_until_queue_holds(0));
  give_one();
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_THAT(host_->messages, SizeIs(2));
  EXPECT_EQ(host_->connections, 2U);
  EXPECT_EQ(counted(Metric::kDeliveriesAttempted), 2U);
}

TEST_F(SiteTest, EachMessageGoesOutOnce) {
  options_.window.connections_first = 5;
  options_.messages_per_connection_max = 3;
  add_host();
  make_site();
  std::vector<queue::Lease> leases;
  for (int i = 0; i < 40; ++i) {
    leases.push_back(lease_of({.text = "Subject: " + std::to_string(i) + "\r\n\r\nx\r\n"}));
  }
  give(std::move(leases));
  ASSERT_TRUE(run_until_queue_holds(0));
  std::vector<std::string> messages = host_->messages;
  EXPECT_THAT(messages, SizeIs(40));
  std::ranges::sort(messages);
  EXPECT_EQ(std::ranges::adjacent_find(messages), messages.end());
}

TEST_F(SiteTest, BouncesWhereNoAddressMayBeContacted) {
  options_.allow_special_addresses = false;
  make_site();
  give(some_leases(1, {.sender = ""}));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(counted(Metric::kRecipientsBounced, "route"), 1U);
  EXPECT_TRUE(site_->quiet());
}

TEST_F(SiteTest, ALaterRouteWithoutAddressesHarmsNobodyWhoWaits) {
  options_.window.connections_first = 1;
  options_.window.connections_max = 1;
  add_host();
  make_site();
  give(some_leases(3));
  route_ = route_to({});
  give(some_leases(1, {.sender = ""}));
  ASSERT_TRUE(run_until([&] { return counted(Metric::kRecipientsDelivered) == 3; }));
  EXPECT_THAT(host_->messages, SizeIs(3));
  EXPECT_EQ(counted(Metric::kRecipientsDeferred, "route"), 1U);
}

TEST_F(SiteTest, ANewRouteCountsFromTheNextConnectionOn) {
  add_host().stop_listening();
  turn(2);
  const auto other = neighbour("127.0.0.2");
  make_site();
  route_ = route_to({"127.0.0.2"});
  give_one();
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_THAT(other->messages, SizeIs(1));
  site_.reset();
}

TEST_F(SiteTest, AnAddressThatFailedIsTriedLast) {
  add_host();
  const auto other = neighbour("127.0.0.2");
  host_->replies[""] = "421 4.3.2 Not now";
  options_.idle_timeout = Milliseconds(0);
  route_ = route_to({"127.0.0.1", "127.0.0.2"});
  make_site();
  give_one();
  ASSERT_TRUE(run_until_queue_holds(0));
  ASSERT_TRUE(run_until_quiet());
  give_one();
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(host_->connections, 1U);
  EXPECT_EQ(other->connections, 2U);
  site_.reset();
}

// --- a host that turns a message away (RFC 5321 section 5.1)

class HandOnTest : public SiteTest, public ::testing::WithParamInterface<const char*> {
 protected:
  HandOnTest() { route_ = route_to({"127.0.0.1", "127.0.0.2"}); }
};

TEST_P(HandOnTest, TheNextHostGetsItInTheSameAttempt) {
  add_host().replies["MAIL"] = GetParam();
  const auto other = neighbour("127.0.0.2");
  make_site();
  give(some_leases(2));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_THAT(other->messages, SizeIs(2));
  EXPECT_EQ(counted(Metric::kDeliveriesAttempted), 2U);
  EXPECT_EQ(events_of("deferred"), 0U);
  EXPECT_THAT(events(), HasSubstr(R"("attempts":1)"));
  site_.reset();
}

INSTANTIATE_TEST_SUITE_P(MailIsAnsweredBy, HandOnTest,
                         ::testing::Values("421 4.3.2 Not now", "452 4.3.1 Disk full",
                                           "530 5.7.0 Must issue a STARTTLS command first",
                                           "521 5.3.2 No mail here", kClose.data()));

TEST_F(SiteTest, WhatAllHostsTurnAwayIsOneAttempt) {
  add_host().replies["MAIL"] = "421 4.3.2 Not now";
  const auto other = neighbour("127.0.0.2");
  other->replies["RCPT"] = kClose;
  route_ = route_to({"127.0.0.1", "127.0.0.2"});
  make_site();
  give_one();
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  EXPECT_EQ(events_of("deferred"), 1U);
  EXPECT_EQ(only_delivery().attempts, 1U);
  EXPECT_EQ(host_->connections, 1U);
  EXPECT_EQ(other->connections, 1U);
  site_.reset();
}

TEST_F(SiteTest, WhatNoHostOfAnyTakesForGoodBounces) {
  add_host().replies["MAIL"] = "521 5.3.2 No mail here";
  make_site();
  give(some_leases(1, {.sender = ""}));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(events_of("bounced"), 1U);
}

TEST_F(SiteTest, AWishForLessIsNoReasonToAskTheNeighbour) {
  add_host().replies["MAIL"] = "421 4.7.0 Too many connections, slow down";
  const auto other = neighbour("127.0.0.2");
  route_ = route_to({"127.0.0.1", "127.0.0.2"});
  make_site();
  give_one();
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  EXPECT_EQ(other->connections, 0U);
  site_.reset();
}

// The one connection of the window belongs to the host that turned the message away.
TEST_F(SiteTest, AHandedOnMessageDoesNotWaitBehindAnIdleConnection) {
  options_.window.connections_first = 2;
  options_.window.connections_max = 2;
  options_.idle_timeout = std::chrono::minutes(5);
  add_host().once["MAIL"] = {"452 4.3.1 Disk full"};
  const auto other = neighbour("127.0.0.2");
  route_ = route_to({"127.0.0.1", "127.0.0.2"});
  make_site();
  give(some_leases(4));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_THAT(other->messages, SizeIs(::testing::Ge(1U)));
  EXPECT_EQ(events_of("deferred"), 0U);
  site_.reset();
}

TEST_F(SiteTest, TheJournalNamesTheHostThatCouldNotBeReached) {
  add_host().stop_listening();
  turn(2);
  make_site();
  give_one();
  ASSERT_TRUE(run_until([&] { return events_of("deferred") == 1; }));
  EXPECT_THAT(events(), HasSubstr(R"("host":"mx.example")"));
  EXPECT_THAT(events(), HasSubstr(R"("ip":"127.0.0.1")"));
}

TEST_F(SiteTest, ResumesTlsOnTheNextConnection) {
  add_host().tls = tls::server_context(identity_);
  options_.idle_timeout = Milliseconds(0);
  make_site();
  give_one();
  ASSERT_TRUE(run_until_queue_holds(0));
  ASSERT_TRUE(run_until_quiet());
  give_one();
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(counted(Metric::kTlsHandshakesOut, "full"), 1U);
  EXPECT_EQ(counted(Metric::kTlsHandshakesOut, "resumed"), 1U);
}

TEST_F(SiteTest, ShutDownGivesBackWhatWaitsAndEndsWhatIsBeingCarried) {
  options_.window.connections_first = 1;
  add_host().once["."] = {std::string(kSilence)};
  make_site();
  give(some_leases(3));
  ASSERT_TRUE(run_until([&] { return host_->messages.size() == 1; }));
  site_->shut_down();
  EXPECT_FALSE(site_->quiet());
  const queue::Lease first = take_lease();
  const queue::Lease second = take_lease();
  EXPECT_EQ(first.attempts() + second.attempts(), 0U);
  host_->say_to_all("250 2.0.0 Ok");
  EXPECT_TRUE(run_until_quiet());
  EXPECT_TRUE(run_until([&] { return events_of("delivered") == 1; }));
  EXPECT_EQ(host_->commands.back(), "QUIT");
}

TEST_F(SiteTest, ShutDownDoesNotWaitForConnectionsBeingMade) {
  add_host().replies[""] = kSilence;
  make_site();
  give(some_leases(3));
  ASSERT_TRUE(run_until([&] { return host_->connections == 3; }));
  site_->shut_down();
  EXPECT_TRUE(site_->quiet());
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
}

TEST_F(SiteTest, AfterShutDownItTakesNothing) {
  add_host();
  make_site();
  site_->shut_down();
  give_one();
  const queue::Lease again = take_lease();
  EXPECT_TRUE(again.valid());
  EXPECT_EQ(host_->connections, 0U);
}

TEST_F(SiteTest, DestroyedWhileABodyIsReadItGivesTheLeaseBack) {
  queue_options_.lease_bytes_max = 0;
  add_host();
  make_site();
  give_one();
  ASSERT_TRUE(run_until([&] { return host_->connections == 1; }));
  site_.reset();
  EXPECT_TRUE(take_lease().valid());
  EXPECT_EQ(gauge(Metric::kSitesActive), 0);
}

TEST_F(SiteTest, DestroyedInMidDeliveryItGivesTheLeasesBack) {
  add_host().replies["."] = kSilence;
  make_site();
  give(some_leases(2));
  ASSERT_TRUE(run_until([&] { return host_->messages.size() == 2; }));
  site_.reset();
  EXPECT_TRUE(take_lease().valid());
  EXPECT_TRUE(take_lease().valid());
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
  EXPECT_EQ(gauge(Metric::kConnectionsOutIdle), 0);
}

// As a large provider does it: no reply says so.
TEST_F(SiteTest, LearnsAfterHowManyMessagesAPeerClosesSilently) {
  options_.window.connections_first = options_.window.connections_max = 1;
  add_host().closes_after = 3;
  make_site();
  give(some_leases(9));
  ASSERT_TRUE(run_until_queue_holds(0));
  EXPECT_EQ(site_->state().messages_max, 3U);
  EXPECT_EQ(host_->connections, 3U);
  EXPECT_EQ(events_of("deferred"), 0U);
}

TEST_F(SiteTest, AReplyRuleLetsTheSiteRest) {
  options_.providers = {{"p", {".example"}, {}, {}}};
  options_.replies = {{"p", {"550", "go away", policy::Then::kRest, std::chrono::hours(1)}}};
  provider_rule_ = &options_.providers[0];
  options_.window.connections_first = options_.window.connections_max = 1;
  add_host().once = {{"MAIL", {"550 5.7.1 Go away for now"}}, {"DATA", {"503 5.5.1 No sender"}}};
  make_site();
  give(some_leases(3));
  ASSERT_TRUE(run_until([&] { return queue_->stats().leases == 0; }));
  EXPECT_EQ(events_of("deferred"), 1U);  // not bounced; the others were put off without a try
  EXPECT_EQ(events_of("bounced"), 0U);
  ASSERT_TRUE(run_until_quiet());
  EXPECT_GT(site_->state().closed_for, std::chrono::minutes(59));
  EXPECT_EQ(host_->messages.size(), 0U);
  EXPECT_EQ(counted(Metric::kSiteRests), 1U);
}

}  // namespace
}  // namespace postrider::delivery
