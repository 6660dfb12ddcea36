// The resolver against a real DNS server on the loopback interface.
#include <algorithm>
#include <atomic>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "dns/resolver.h"
#include "relay/event/loop.h"
#include "tests/unit/dns/scripted_server.h"

namespace postrider::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using RoutePtr = std::shared_ptr<const Route>;

class ManualClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override {
    return TimePoint(Seconds(1'000'000) + offset_.load());
  }

  [[nodiscard]] WallTime wall() const override { return {}; }

  void advance(Duration by) { offset_ = offset_.load() + by; }

 private:
  std::atomic<Duration> offset_{Duration(0)};
};

class ResolverTest : public ::testing::Test {
 protected:
  ResolverTest() {
    options_.query_timeout = Milliseconds(200);
    options_.servers = {server_.endpoint()};
  }

  ~ResolverTest() override {
    if (!resolver_) return;
    stop();
    loop_->stop();
    thread_.join();
    resolver_.reset();
  }

  void start() {
    loop_ = std::move(Loop::create()).value();
    auto made = make_ares_resolver(*loop_, options_, clock_, random_, metrics_);
    ASSERT_TRUE(made.has_value());
    resolver_ = *std::move(made);
    thread_ = std::thread([this] { loop_->run(); });
  }

  void stop() {
    std::promise<void> stopped;
    loop_->post([&] {
      resolver_->stop();
      stopped.set_value();
    });
    stopped.get_future().wait();
  }

  std::future<RoutePtr> ask(const std::string& domain) {
    if (!resolver_) start();
    auto promise = std::make_shared<std::promise<RoutePtr>>();
    auto future = promise->get_future();
    resolver_->resolve(domain, inline_, [promise](RoutePtr route) { promise->set_value(route); });
    return future;
  }

  static RoutePtr wait(std::future<RoutePtr> future) {
    if (future.wait_for(std::chrono::seconds(30)) == std::future_status::ready) {
      return future.get();
    }
    ADD_FAILURE() << "no answer";
    return std::make_shared<Route>();
  }

  RoutePtr route(const std::string& domain) { return wait(ask(domain)); }

  // A domain with one host and one address.
  void serve_domain(const std::string& domain, const std::string& ip = "192.0.2.1") {
    server_.on("MX " + domain, {.answers = {mx(domain, 10, "mx." + domain)}});
    server_.on("A mx." + domain, {.answers = {address("mx." + domain, ip)}});
    server_.on("AAAA mx." + domain, {.authority = {soa(300, 300)}});
  }

  static std::vector<std::string> names(const Route& route) {
    std::vector<std::string> names;
    for (const Host& host : route.hosts) names.push_back(host.name);
    return names;
  }

  static std::vector<std::string> addresses(const Host& host) {
    std::vector<std::string> addresses;
    for (const IpAddress& address : host.addresses) addresses.push_back(address.to_string());
    return addresses;
  }

  using Loop = event::Loop;

  ScriptedServer server_;
  Options options_;
  ManualClock clock_;
  SystemRandom random_;
  metrics::Registry metrics_;
  InlineExecutor inline_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Resolver> resolver_;
  std::thread thread_;
};

// --- what a domain can be

TEST_F(ResolverTest, HostsComeInOrderOfPreferenceWithTheirAddresses) {
  server_.on("MX example.org", {.answers = {mx("example.org", 20, "backup.example.net"),
                                            mx("example.org", 10, "Mail.Example.NET")}});
  server_.on("A mail.example.net", {.answers = {address("mail.example.net", "192.0.2.1"),
                                                address("mail.example.net", "192.0.2.2")}});
  server_.on("AAAA mail.example.net", {.answers = {address("mail.example.net", "2001:db8::1")}});
  server_.on("A backup.example.net", {.answers = {address("backup.example.net", "192.0.2.3")}});
  const RoutePtr found = route("Example.ORG.");
  ASSERT_EQ(found->status, RouteStatus::kFound) << found->detail;
  EXPECT_THAT(names(*found), ElementsAre("mail.example.net", "backup.example.net"));
  EXPECT_THAT(addresses(found->hosts[0]), ElementsAre("2001:db8::1", "192.0.2.1", "192.0.2.2"));
  EXPECT_THAT(addresses(found->hosts[1]), ElementsAre("192.0.2.3"));
  EXPECT_EQ(found->hosts[0].preference, 10);
  EXPECT_EQ(found->site, "backup.example.net,mail.example.net");
  EXPECT_FALSE(found->implicit);
}

TEST_F(ResolverTest, Ipv6IsNotAskedForWhereItIsOff) {
  options_.ipv6 = false;
  serve_domain("example.org");
  EXPECT_EQ(route("example.org")->status, RouteStatus::kFound);
  EXPECT_EQ(server_.count("AAAA mx.example.org"), 0U);
}

TEST_F(ResolverTest, NxdomainIsNoDomain) {
  const RoutePtr none = route("missing.example");
  EXPECT_EQ(none->status, RouteStatus::kNoDomain);
  EXPECT_EQ(none->detail, "MX missing.example: NXDOMAIN");
  EXPECT_EQ(server_.asked().size(), 1U);
}

TEST_F(ResolverTest, WithoutMxTheDomainIsItsOwnHost) {
  server_.on("MX example.org", {.authority = {soa(60, 60)}});
  server_.on("A example.org", {.answers = {address("example.org", "192.0.2.7")}});
  server_.on("AAAA example.org", {.authority = {soa(60, 60)}});
  const RoutePtr found = route("example.org");
  ASSERT_EQ(found->status, RouteStatus::kFound);
  EXPECT_TRUE(found->implicit);
  EXPECT_EQ(found->site, "example.org");
  EXPECT_THAT(addresses(found->hosts.at(0)), ElementsAre("192.0.2.7"));
}

TEST_F(ResolverTest, OfAHostTheAddressesAreAllThatIsAskedFor) {
  serve_domain("example.org");
  server_.on("A example.org", {.answers = {address("example.org", "192.0.2.9")}});
  EXPECT_EQ(route("example.org")->hosts.at(0).name, "mx.example.org");
  const std::size_t mx_questions = server_.count("MX example.org");
  auto promise = std::make_shared<std::promise<RoutePtr>>();
  resolver_->resolve_host("Example.org", inline_,
                          [promise](RoutePtr found) { promise->set_value(found); });
  const RoutePtr found = wait(promise->get_future());
  ASSERT_EQ(found->status, RouteStatus::kFound) << found->detail;
  EXPECT_THAT(names(*found), ElementsAre("example.org"));
  EXPECT_THAT(addresses(found->hosts[0]), ElementsAre("192.0.2.9"));
  EXPECT_EQ(server_.count("MX example.org"), mx_questions);
}

TEST_F(ResolverTest, NeitherMxNorAddressIsNoHosts) {
  for (const char* question : {"MX example.org", "A example.org", "AAAA example.org"}) {
    server_.on(question, {.authority = {soa(60, 60)}});
  }
  EXPECT_EQ(route("example.org")->status, RouteStatus::kNoHosts);
}

TEST_F(ResolverTest, NullMxEndsTheSearch) {
  server_.on("MX example.org", {.answers = {mx("example.org", 0, "")}});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kNullMx);
  EXPECT_EQ(server_.asked().size(), 1U);
}

TEST_F(ResolverTest, ServfailIsTemporaryAndNeverLeadsToAddresses) {
  server_.on("MX example.org", {.rcode = 2});
  server_.on("A example.org", {.answers = {address("example.org", "192.0.2.7")}});
  const RoutePtr failed = route("example.org");
  EXPECT_EQ(failed->status, RouteStatus::kTemporary);
  EXPECT_EQ(failed->detail, "MX example.org: SERVFAIL");
  EXPECT_EQ(server_.count("A example.org"), 0U);
}

TEST_F(ResolverTest, RefusedIsTemporary) {
  server_.on("MX example.org", {.rcode = 5});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kTemporary);
}

TEST_F(ResolverTest, SilenceIsTemporaryAfterAllTries) {
  options_.query_timeout = Milliseconds(50);
  server_.on("MX example.org", {.silent = true});
  const RoutePtr failed = route("example.org");
  EXPECT_EQ(failed->status, RouteStatus::kTemporary);
  EXPECT_THAT(failed->detail, HasSubstr("timeout"));
  EXPECT_EQ(server_.count("MX example.org"), options_.tries);
}

TEST_F(ResolverTest, ALostPacketIsAskedAgain) {
  serve_domain("example.org");
  server_.on("MX example.org",
             {.answers = {mx("example.org", 10, "mx.example.org")}, .silent_times = 1});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kFound);
  EXPECT_EQ(server_.count("MX example.org"), 2U);
}

TEST_F(ResolverTest, AddressLiteralsNeedNoServer) {
  EXPECT_THAT(addresses(route("[192.0.2.1]")->hosts.at(0)), ElementsAre("192.0.2.1"));
  EXPECT_THAT(addresses(route("[IPv6:2001:db8::1]")->hosts.at(0)), ElementsAre("2001:db8::1"));
  for (const char* bad : {"[]", "[", "[192.0.2]", "[2001:db8::1]", "[IPv6:192.0.2.1]", "[x]"}) {
    EXPECT_EQ(route(bad)->status, RouteStatus::kNoDomain) << bad;
  }
  EXPECT_TRUE(server_.asked().empty());
}

TEST_F(ResolverTest, WhatIsNoNameIsNotAsked) {
  for (const std::string& bad : {std::string(), std::string("a..b"), std::string("a b.example"),
                                 std::string(64, 'x') + ".example", std::string(300, 'x')}) {
    EXPECT_EQ(route(bad)->status, RouteStatus::kNoDomain) << bad;
  }
  EXPECT_TRUE(server_.asked().empty());
}

// --- hosts without addresses

TEST_F(ResolverTest, HostsWithoutAddressAreLeftOut) {
  serve_domain("example.org");
  server_.on("MX example.org", {.answers = {mx("example.org", 5, "gone.example.org"),
                                            mx("example.org", 10, "mx.example.org")}});
  EXPECT_THAT(names(*route("example.org")), ElementsAre("mx.example.org"));
}

TEST_F(ResolverTest, NoHostWithAnAddressIsNoHosts) {
  server_.on("MX example.org", {.answers = {mx("example.org", 5, "gone.example.org")}});
  const RoutePtr none = route("example.org");
  EXPECT_EQ(none->status, RouteStatus::kNoHosts);
  EXPECT_THAT(none->detail, HasSubstr("A gone.example.org: NXDOMAIN"));
}

TEST_F(ResolverTest, AHostThatMayYetBeFoundMakesItTemporary) {
  server_.on("MX example.org", {.answers = {mx("example.org", 5, "gone.example.org"),
                                            mx("example.org", 5, "broken.example.org")}});
  server_.on("A broken.example.org", {.rcode = 2});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kTemporary);
}

TEST_F(ResolverTest, OneFamilyIsEnough) {
  serve_domain("example.org");
  server_.on("AAAA mx.example.org", {.rcode = 2});
  const RoutePtr found = route("example.org");
  ASSERT_EQ(found->status, RouteStatus::kFound);
  EXPECT_TRUE(found->hosts.at(0).temporary);
}

TEST_F(ResolverTest, HostNamesThatAreNoneAreNotAsked) {
  server_.on("MX example.org", {.answers = {mx("example.org", 5, "bad host")}});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kNoHosts);
  EXPECT_EQ(server_.asked().size(), 1U);
}

// --- aliases and sizes

TEST_F(ResolverTest, AliasesAreFollowedWithinTheAnswer) {
  server_.on("MX example.org",
             {.answers = {cname("example.org", "b.example"), cname("b.example", "c.example"),
                          mx("c.example", 10, "mx.example.org")}});
  server_.on("A mx.example.org", {.answers = {cname("mx.example.org", "host.example"),
                                              address("host.example", "192.0.2.9")}});
  const RoutePtr found = route("example.org");
  ASSERT_EQ(found->status, RouteStatus::kFound) << found->detail;
  EXPECT_THAT(names(*found), ElementsAre("mx.example.org"));
  EXPECT_THAT(addresses(found->hosts[0]), ElementsAre("192.0.2.9"));
}

TEST_F(ResolverTest, AnAliasLoopIsTemporary) {
  server_.on("MX example.org",
             {.answers = {cname("example.org", "b.example"), cname("b.example", "example.org")}});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kTemporary);
  EXPECT_EQ(server_.asked().size(), 1U);
}

TEST_F(ResolverTest, TwoHundredHostsAreCutToABoundedPlan) {
  Reply reply{.truncated_on_udp = true};
  for (unsigned i = 0; i < 200; ++i) {
    const std::string host = "mx" + std::to_string(i) + ".example.org";
    reply.answers.push_back(mx("example.org", i, host));
    server_.on("A " + host, {.answers = {address(host, "192.0.2.1")}});
  }
  server_.on("MX example.org", reply);
  const RoutePtr found = route("example.org");
  ASSERT_EQ(found->hosts.size(), kHostsMax);
  EXPECT_EQ(found->hosts.front().name, "mx0.example.org");
  EXPECT_EQ(found->hosts.back().name, "mx19.example.org");
  EXPECT_EQ(server_.asked().size(), 2 + 2 * kHostsMax);
}

TEST_F(ResolverTest, ATruncatedAnswerIsFetchedOverTcp) {
  serve_domain("example.org");
  server_.on("MX example.org",
             {.answers = {mx("example.org", 10, "mx.example.org")}, .truncated_on_udp = true});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kFound);
  const auto asked = server_.asked();
  EXPECT_FALSE(asked.at(0).tcp);
  EXPECT_TRUE(asked.at(1).tcp);
  EXPECT_NE(asked.at(0).id, asked.at(1).id);
}

TEST_F(ResolverTest, TruncatedEvenOverTcpIsTemporary) {
  server_.on("MX example.org", {.always_truncated = true});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kTemporary);
}

TEST_F(ResolverTest, TcpThatClosesIsTemporaryAndBounded) {
  server_.on("MX example.org", {.truncated_on_udp = true, .close_on_tcp = true});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kTemporary);
  EXPECT_EQ(server_.count("MX example.org"), 1 + options_.tries);
}

TEST_F(ResolverTest, AUdpAnswerBeyondTheClassicSizeIsTakenAsItIs) {
  serve_domain("example.org");
  Reply reply{.answers = {mx("example.org", 1, "mx.example.org")}};
  for (unsigned i = 0; i < 20; ++i) {
    reply.answers.push_back(mx("example.org", 100 + i, "h" + std::to_string(i) + ".example"));
  }
  server_.on("MX example.org", reply);
  const RoutePtr found = route("example.org");
  EXPECT_EQ(found->status, RouteStatus::kFound) << found->detail;
  for (const Asked& asked : server_.asked()) EXPECT_FALSE(asked.tcp);
}

// --- servers that are old, odd or hostile

TEST_F(ResolverTest, AServerWithoutEdnsIsAskedWithout) {
  serve_domain("example.org");
  server_.on("MX example.org",
             {.answers = {mx("example.org", 10, "mx.example.org")}, .knows_no_edns = true});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kFound);
  const auto asked = server_.asked();
  EXPECT_TRUE(asked.at(0).edns);
  EXPECT_FALSE(asked.at(1).edns);
}

TEST_F(ResolverTest, FormerrToAPlainQueryIsTemporary) {
  server_.on("MX example.org", {.rcode = 1});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kTemporary);
  EXPECT_EQ(server_.count("MX example.org"), 2U);
}

TEST_F(ResolverTest, AnotherIdIsNoAnswer) {
  options_.query_timeout = Milliseconds(50);
  server_.on("MX example.org", {.rcode = 3, .wrong_id = true});
  EXPECT_THAT(route("example.org")->detail, HasSubstr("timeout"));
}

TEST_F(ResolverTest, AnotherQuestionIsNoAnswer) {
  options_.query_timeout = Milliseconds(50);
  server_.on("MX example.org", {.rcode = 3, .wrong_question = true});
  EXPECT_EQ(route("example.org")->status, RouteStatus::kTemporary);
}

TEST_F(ResolverTest, AChangedCaseIsVerifiedOverTcp) {
  const std::string name = "a-rather-long-name-with-many-letters.example";
  serve_domain(name);
  server_.on("MX " + name, {.answers = {mx(name, 10, "mx." + name)}, .folds_case = true});
  EXPECT_EQ(route(name)->status, RouteStatus::kFound);
  EXPECT_TRUE(server_.asked().at(1).tcp);
}

TEST_F(ResolverTest, GarbageIsTemporary) {
  options_.query_timeout = Milliseconds(50);
  server_.on("MX short.example", {.garbage = "x"});
  server_.on("MX noise.example", {.garbage = std::string(400, '\xff')});
  server_.on("MX cut.example", {.answers = {mx("cut.example", 1, "mx.example").substr(0, 20)}});
  for (const char* domain : {"short.example", "noise.example", "cut.example"}) {
    EXPECT_EQ(route(domain)->status, RouteStatus::kTemporary) << domain;
  }
}

TEST_F(ResolverTest, QueriesHaveUnpredictableIdsAndCase) {
  std::set<std::uint16_t> ids;
  std::set<std::string> spellings;
  for (int i = 0; i < 64; ++i) {
    route("name" + std::to_string(i) + ".example");
  }
  bool rising = true;
  std::uint16_t last = 0;
  for (const Asked& asked : server_.asked()) {
    ids.insert(asked.id);
    spellings.insert(asked.name.substr(asked.name.find('.')));
    rising = rising && asked.id > last;
    last = asked.id;
  }
  // 64 of 65536: a few may be equal by chance, ten never are.
  EXPECT_GT(ids.size(), 54U);
  EXPECT_FALSE(rising);
  EXPECT_GT(spellings.size(), 10U);
}

TEST_F(ResolverTest, TheNextServerIsAskedWhereOneIsDown) {
  const Endpoint down = [] {
    const ScriptedServer gone;
    return gone.endpoint();
  }();
  serve_domain("example.org");
  options_.servers = {down, server_.endpoint()};
  EXPECT_EQ(route("example.org")->status, RouteStatus::kFound);
}

TEST_F(ResolverTest, TheNextServerIsAskedWhereOneFails) {
  ScriptedServer broken;
  broken.on("MX example.org", {.rcode = 2});
  serve_domain("example.org");
  broken.on("A mx.example.org", {.rcode = 5});
  options_.servers = {broken.endpoint(), server_.endpoint()};
  EXPECT_EQ(route("example.org")->status, RouteStatus::kFound);
}

TEST_F(ResolverTest, NoServerAtAllIsTemporaryAtOnce) {
  const Endpoint down = [] {
    const ScriptedServer gone;
    return gone.endpoint();
  }();
  options_.servers = {down};
  options_.query_timeout = std::chrono::minutes(5);
  EXPECT_EQ(route("example.org")->status, RouteStatus::kTemporary);
}

// --- cache

TEST_F(ResolverTest, AnswersAreKeptForTheirTtl) {
  serve_domain("example.org");
  route("example.org");
  const std::size_t queries = server_.asked().size();
  clock_.advance(Seconds(299));
  EXPECT_EQ(route("example.org")->status, RouteStatus::kFound);
  EXPECT_EQ(server_.asked().size(), queries);
  clock_.advance(Seconds(2));
  EXPECT_EQ(route("example.org")->status, RouteStatus::kFound);
  EXPECT_EQ(server_.asked().size(), 2 * queries);
}

TEST_F(ResolverTest, TheLeastTtlOfAChainCounts) {
  server_.on("MX example.org",
             {.answers = {cname("example.org", "b.example", 20), mx("b.example", 0, "", 3000)}});
  route("example.org");
  clock_.advance(Seconds(21));
  route("example.org");
  EXPECT_EQ(server_.count("MX example.org"), 2U);
}

TEST_F(ResolverTest, TtlsAreHeldWithinTheirBounds) {
  options_.ttl_min = Seconds(10);
  options_.ttl_max = Seconds(100);
  server_.on("MX short.example", {.answers = {mx("short.example", 0, "", 0)}});
  server_.on("MX long.example", {.answers = {mx("long.example", 0, "", 0x7fffffff)}});
  const auto ask_both = [this] {
    route("short.example");
    route("long.example");
  };
  ask_both();
  clock_.advance(Seconds(9));
  ask_both();
  EXPECT_EQ(server_.asked().size(), 2U);
  clock_.advance(Seconds(92));
  ask_both();
  EXPECT_EQ(server_.count("MX short.example"), 2U);
  EXPECT_EQ(server_.count("MX long.example"), 2U);
}

TEST_F(ResolverTest, WhatDoesNotExistIsKeptAsTheZoneSays) {
  server_.on("MX gone.example", {.rcode = 3, .authority = {soa(3600, 40)}});
  route("gone.example");
  clock_.advance(Seconds(39));
  route("gone.example");
  EXPECT_EQ(server_.asked().size(), 1U);
  clock_.advance(Seconds(2));
  route("gone.example");
  EXPECT_EQ(server_.asked().size(), 2U);
}

// RFC 2308 section 5: whatever a zone says, a name that was missing may come into being today.
TEST_F(ResolverTest, WhatDoesNotExistIsNotKeptForLongerThanThreeHours) {
  server_.on("MX gone.example", {.rcode = 3, .authority = {soa(86'400, 86'400)}});
  route("gone.example");
  clock_.advance(std::chrono::hours(3) - Seconds(1));
  route("gone.example");
  EXPECT_EQ(server_.asked().size(), 1U);
  clock_.advance(Seconds(2));
  route("gone.example");
  EXPECT_EQ(server_.asked().size(), 2U);
}

TEST_F(ResolverTest, FailuresAreKeptForAShortTime) {
  server_.on("MX example.org", {.rcode = 2});
  route("example.org");
  clock_.advance(options_.failure_ttl - Seconds(1));
  route("example.org");
  EXPECT_EQ(server_.asked().size(), 1U);
  clock_.advance(Seconds(2));
  serve_domain("example.org");
  EXPECT_EQ(route("example.org")->status, RouteStatus::kFound);
}

TEST_F(ResolverTest, TheCacheIsBounded) {
  options_.cache_entries_max = 10;
  for (int i = 0; i < 50; ++i) route("name" + std::to_string(i) + ".example");
  EXPECT_DOUBLE_EQ(metrics_.gauge(metrics::Metric::kDnsCacheEntries).value(), 10);
}

// --- many askers

TEST_F(ResolverTest, ManyAskersOfOneDomainCostOneQuery) {
  serve_domain("example.org");
  server_.hold();
  std::vector<std::future<RoutePtr>> askers;
  for (int i = 0; i < 100; ++i) askers.push_back(ask("example.org"));
  ASSERT_TRUE(server_.wait_for(1));
  server_.release();
  for (auto& asker : askers) EXPECT_EQ(wait(std::move(asker))->status, RouteStatus::kFound);
  EXPECT_EQ(server_.count("MX example.org"), 1U);
  EXPECT_EQ(server_.count("A mx.example.org"), 1U);
}

TEST_F(ResolverTest, DomainsWithOneHostShareItsQuery) {
  serve_domain("shared.example");
  std::vector<std::future<RoutePtr>> askers;
  for (int i = 0; i < 20; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    server_.on("MX " + domain, {.answers = {mx(domain, 10, "mx.shared.example")}});
    askers.push_back(ask(domain));
  }
  for (auto& asker : askers) EXPECT_EQ(wait(std::move(asker))->site, "mx.shared.example");
  EXPECT_EQ(server_.count("A mx.shared.example"), 1U);
}

TEST_F(ResolverTest, QueriesInFlightAreCapped) {
  options_.in_flight_max = 3;
  options_.query_timeout = Seconds(20);
  server_.hold();
  std::vector<std::future<RoutePtr>> askers;
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 40; ++i) askers.push_back(ask("name" + std::to_string(i) + ".example"));
  ASSERT_TRUE(server_.wait_for(3));
  // A later query would have been sent with the first three: they went out in one turn of the loop.
  std::promise<void> turned;
  loop_->post([&] { turned.set_value(); });
  turned.get_future().wait();
  const std::size_t sent = server_.asked().size();
  const auto moments = (std::chrono::steady_clock::now() - began) / Milliseconds(50);
  EXPECT_LE(sent, 3U * (1U + static_cast<std::size_t>(moments)));
  server_.release();
  for (auto& asker : askers) EXPECT_EQ(wait(std::move(asker))->status, RouteStatus::kNoDomain);
  EXPECT_EQ(server_.asked().size(), 40U);
}

// One line of all names, each holding its place for its timeout and every repetition, would put the
// healthy name off by 1500 / 50 * 3 s * 3.
TEST_F(ResolverTest, NamesWithSilentServersDoNotHoldUpAHealthyOne) {
  options_.in_flight_max = 50;
  options_.query_timeout = Seconds(3);
  options_.tries = 3;
  serve_domain("healthy.example");
  for (int i = 0; i < 1500; ++i) {
    server_.on("MX dead" + std::to_string(i) + ".example", {.silent = true});
  }
  std::vector<std::future<RoutePtr>> dead;
  for (int i = 0; i < 1500; ++i) dead.push_back(ask("dead" + std::to_string(i) + ".example"));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(route("healthy.example")->status, RouteStatus::kFound);
  EXPECT_LT(std::chrono::steady_clock::now() - began, options_.query_timeout);
  EXPECT_EQ(server_.count("MX dead0.example"), 1U) << "a repetition went before a first try";
}

TEST_F(ResolverTest, RepetitionsHaveAShareBesideAStreamOfNewNames) {
  options_.in_flight_max = 1;
  options_.query_timeout = Milliseconds(100);
  server_.on("MX lost.example", {.answers = {mx("lost.example", 0, "")}, .silent_times = 1});
  for (int i = 0; i < 60; ++i) {
    server_.on("MX dead" + std::to_string(i) + ".example", {.silent = true});
  }
  std::vector<std::future<RoutePtr>> dead;
  auto lost = ask("lost.example");
  for (int i = 0; i < 60; ++i) dead.push_back(ask("dead" + std::to_string(i) + ".example"));
  EXPECT_EQ(wait(std::move(lost))->status, RouteStatus::kNullMx);
  EXPECT_LT(server_.asked().size(), 60U);
}

TEST_F(ResolverTest, TooManyWaitingAreToldAtOnce) {
  options_.waiting_max = 5;
  server_.hold();
  std::vector<std::future<RoutePtr>> askers;
  for (int i = 0; i < 5; ++i) askers.push_back(ask("name" + std::to_string(i) + ".example"));
  const RoutePtr refused = route("onemore.example");
  EXPECT_EQ(refused->status, RouteStatus::kTemporary);
  EXPECT_THAT(refused->detail, HasSubstr("too many"));
  server_.release();
  for (auto& asker : askers) EXPECT_EQ(wait(std::move(asker))->status, RouteStatus::kNoDomain);
  EXPECT_EQ(route("again.example")->status, RouteStatus::kNoDomain);
  EXPECT_EQ(metrics_.counter(metrics::Metric::kDnsAnswers, "overload").value(), 1U);
}

TEST_F(ResolverTest, ManyThreadsMayAsk) {
  serve_domain("example.org");
  start();
  std::atomic<int> found{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        found += wait(ask("example.org"))->status == RouteStatus::kFound ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found, 800);
  EXPECT_EQ(server_.count("MX example.org"), 1U);
}

TEST_F(ResolverTest, HundredsOfDomainsAtOnceAllEnd) {
  std::vector<std::future<RoutePtr>> askers;
  for (int i = 0; i < 300; ++i) {
    const std::string domain = "d" + std::to_string(i) + ".example";
    serve_domain(domain);
    askers.push_back(ask(domain));
  }
  for (auto& asker : askers) EXPECT_EQ(wait(std::move(asker))->status, RouteStatus::kFound);
}

// --- time and end

TEST_F(ResolverTest, TheDeadlineOfAResolutionHolds) {
  options_.query_timeout = Seconds(20);
  options_.deadline = Milliseconds(100);
  server_.on("MX example.org", {.silent = true});
  const RoutePtr late = route("example.org");
  EXPECT_EQ(late->status, RouteStatus::kTemporary);
  EXPECT_EQ(late->detail, "MX example.org: no answer in time");
}

TEST_F(ResolverTest, AtTheDeadlineKnownAddressesAreEnough) {
  options_.query_timeout = Seconds(20);
  options_.deadline = Milliseconds(500);
  serve_domain("example.org");
  server_.on("AAAA mx.example.org", {.silent = true});
  const RoutePtr found = route("example.org");
  EXPECT_EQ(found->status, RouteStatus::kFound);
  EXPECT_TRUE(found->hosts.at(0).temporary);
}

TEST_F(ResolverTest, StoppingAnswersWhatWaits) {
  options_.in_flight_max = 2;
  server_.hold();
  std::vector<std::future<RoutePtr>> askers;
  for (int i = 0; i < 10; ++i) askers.push_back(ask("name" + std::to_string(i) + ".example"));
  ASSERT_TRUE(server_.wait_for(2));
  stop();
  for (auto& asker : askers) EXPECT_EQ(wait(std::move(asker))->status, RouteStatus::kTemporary);
  EXPECT_EQ(route("later.example")->status, RouteStatus::kTemporary);
  server_.release();
}

// With the inline executor `done` runs between two answers of one batch.
TEST_F(ResolverTest, StoppingFromWithinAnAnswerIsSafe) {
  start();
  server_.hold();
  std::vector<std::future<RoutePtr>> others;
  std::promise<void> stopped;
  resolver_->resolve("first.example", inline_, [&](RoutePtr) {
    resolver_->stop();
    stopped.set_value();
  });
  for (int i = 0; i < 20; ++i) others.push_back(ask("name" + std::to_string(i) + ".example"));
  ASSERT_TRUE(server_.wait_for(21));
  server_.release();
  stopped.get_future().wait();
  for (auto& other : others) wait(std::move(other));
}

TEST_F(ResolverTest, WorkIsCounted) {
  serve_domain("example.org");
  route("example.org");
  route("example.org");
  route("gone.example");
  const auto answers = [this](const char* result) {
    return metrics_.counter(metrics::Metric::kDnsAnswers, result).value();
  };
  EXPECT_EQ(metrics_.counter(metrics::Metric::kDnsQueries, "mx").value(), 2U);
  EXPECT_EQ(metrics_.counter(metrics::Metric::kDnsQueries, "a").value(), 1U);
  EXPECT_EQ(metrics_.counter(metrics::Metric::kDnsCacheHits).value(), 3U);
  EXPECT_EQ(answers("found"), 2U);
  EXPECT_EQ(answers("no_data"), 1U);
  EXPECT_EQ(answers("no_domain"), 1U);
}

TEST(ResolverAlone, IsMadeFromTheSystemsServers) {
  auto loop = std::move(event::Loop::create()).value();
  const SystemClock clock;
  SystemRandom random;
  metrics::Registry metrics;
  auto made = make_ares_resolver(*loop, {}, clock, random, metrics);
  ASSERT_TRUE(made.has_value());
}

}  // namespace
}  // namespace postrider::dns
