#include "relay/delivery/explainer.h"

#include <atomic>
#include <gmock/gmock.h>
#include <thread>

#include "relay/delivery/scheduler.h"
#include "tests/unit/relay/delivery/delivery_fixture.h"

namespace postrider::delivery {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class ExplainerTest : public DeliveryTest {
 protected:
  // As the running relay does it, with one scheduler; the loop turns beside it.
  Result<Explanation> explain(const std::string& address, const std::string& tenant = "") {
    if (!shared_) open();
    Scheduler scheduler(*shared_, *loop_);
    Explainer explainer(parts_of(*shared_), [&](auto destination, auto sources, auto done) {
      scheduler.post_look(std::move(destination), std::move(sources), std::move(done));
    });
    Result<Explanation> result = failure("nothing yet");
    std::atomic<bool> done = false;
    std::thread asking([&] {
      result = explainer.explain(*message::parse_mailbox(address, false), tenant);
      done = true;
    });
    EXPECT_TRUE(run_until([&] { return done.load(); }));
    asking.join();
    return result;
  }
};

TEST_F(ExplainerTest, TellsHostsSiteAndLimits) {
  options_.providers = {{"big", {".big.example"}, {.connections_max = 5}}};
  options_.message_rate = {10, Seconds(1)};
  resolver_.routes["to.example"] = route_to({"127.0.0.1", "127.0.0.2"}, "mx.big.example");
  const auto told = explain("b@to.example");
  ASSERT_TRUE(told) << told.error().text();
  EXPECT_EQ(told->address, "b@to.example");
  EXPECT_THAT(told->route, HasSubstr("mail hosts of to.example, port 25, TLS may"));
  EXPECT_EQ(told->verdict.code, 0);
  ASSERT_THAT(told->hosts, SizeIs(2));
  EXPECT_EQ(told->hosts[1].addresses.at(0).ip, IpAddress::parse("127.0.0.2"));
  EXPECT_EQ(told->provider, "big");
  ASSERT_THAT(told->sources, SizeIs(1));
  const ExplainedSource& source = told->sources[0];
  EXPECT_EQ(source.host_name, "relay.example");
  EXPECT_EQ(source.limits.at(0).value, "20");
  EXPECT_EQ(source.limits.at(3).name, "message rate");
  EXPECT_EQ(source.limits.at(3).value, "10/s");
  EXPECT_EQ(source.limits.at(3).from, "[delivery]");
  ASSERT_THAT(source.provider_limits, SizeIs(1));
  EXPECT_EQ(source.provider_limits[0].from, "provider big");
  EXPECT_TRUE(told->running);
  EXPECT_FALSE(source.state);
}

TEST_F(ExplainerTest, TellsWhichSourcesATenantHas) {
  options_.sources = {{.name = "a", .ipv4 = IpAddress::parse("127.0.0.1"), .tenants = {"shop"}},
                      {.name = "b", .ipv4 = IpAddress::parse("127.0.0.2"), .weight = 3},
                      {.name = "c", .ipv4 = IpAddress::parse("127.0.0.3")}};
  resolver_.routes["to.example"] = route_to({"127.0.0.1"});
  const auto shop = explain("b@to.example", "shop");
  ASSERT_TRUE(shop);
  ASSERT_THAT(shop->sources, SizeIs(1));
  EXPECT_EQ(shop->sources[0].name, "a");
  EXPECT_EQ(shop->sources[0].addresses, "127.0.0.1");
  const auto others = explain("b@to.example");
  ASSERT_TRUE(others);
  ASSERT_THAT(others->sources, SizeIs(2));
  EXPECT_DOUBLE_EQ(others->sources[0].share, 0.75);
}

TEST_F(ExplainerTest, TellsWhichRouteATenantsMailTakes) {
  open();
  const auto route = [](const std::string& domain, const std::string& tenant,
                        smtp::Protocol protocol) {
    RouteOptions options;
    options.domain = domain;
    options.tenant = tenant;
    options.host = "127.0.0.1";
    options.port = 24;
    options.protocol = protocol;
    return options;
  };
  for (const RouteOptions& options : {route("to.example", "", smtp::Protocol::kLmtp),
                                      route("*", "shop", smtp::Protocol::kSmtp)}) {
    shared_->routes.add(options.domain, options.tenant, smart_host(options, "", client_tls_));
  }
  EXPECT_EQ(explain("b@to.example")->route,
            "LMTP server [127.0.0.1], port 24, TLS encrypt (route for domain to.example)");
  EXPECT_EQ(explain("b@to.example", "shop")->route,
            "smart host [127.0.0.1], port 24, TLS encrypt (route for tenant shop, domain *)");
}

TEST_F(ExplainerTest, TellsWhatMailWouldMeet) {
  const auto none = explain("b@gone.example");
  ASSERT_TRUE(none);
  EXPECT_EQ(none->verdict.code, 550);
  EXPECT_THAT(none->dns, HasSubstr("NXDOMAIN"));
  EXPECT_TRUE(none->sources.empty());
}

TEST_F(ExplainerTest, TellsOfAddressesThatAreNotUsed) {
  options_.allow_special_addresses = false;
  resolver_.routes["to.example"] = route_to({"127.0.0.1"});
  const auto told = explain("b@to.example");
  ASSERT_TRUE(told);
  EXPECT_THAT(told->hosts.at(0).addresses.at(0).note, HasSubstr("not used"));
  EXPECT_EQ(told->verdict.code, 550);
}

TEST_F(ExplainerTest, StoppingAnswersWhoWaits) {
  resolver_.hold = true;
  open();
  Explainer explainer(parts_of(*shared_));
  explainer.stop();
  EXPECT_FALSE(explainer.explain(*message::parse_mailbox("b@to.example", false), ""));
}

}  // namespace
}  // namespace postrider::delivery
