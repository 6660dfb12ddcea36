#include "relay/delivery/routes.h"

#include <gtest/gtest.h>

namespace postrider::delivery {
namespace {

RouteOptions to(const std::string& host) {
  RouteOptions options;
  options.host = host;
  options.port = 587;
  return options;
}

TEST(SmartHost, IsANameOrAnAddress) {
  EXPECT_EQ(smart_host(to("Relay.Example"), "", nullptr).host, "relay.example");
  EXPECT_EQ(smart_host(to("192.0.2.1"), "", nullptr).host, "[192.0.2.1]");
  EXPECT_EQ(smart_host(to("2001:db8::1"), "", nullptr).host, "[IPv6:2001:db8::1]");
  EXPECT_TRUE(smart_host(to("192.0.2.1"), "", nullptr).is_smart_host());
}

TEST(SmartHost, LogsInWhereThereIsAUser) {
  RouteOptions options = to("relay.example");
  EXPECT_FALSE(smart_host(options, "secret", nullptr).login);
  options.user = "app";
  EXPECT_EQ(smart_host(options, "secret", nullptr).login, (smtp::ClientLogin{"app", "secret"}));
}

// Connections with different rights or demands are never shared.
TEST(SmartHost, HasASiteOfItsOwnForEachLoginAndLevel) {
  RouteOptions options = to("relay.example");
  const std::string plain = smart_host(options, "", nullptr).site;
  options.user = "app";
  const std::string app = smart_host(options, "", nullptr).site;
  options.tls = policy::TlsLevel::kVerify;
  const std::string verified = smart_host(options, "", nullptr).site;
  EXPECT_NE(plain, app);
  EXPECT_NE(app, verified);
  EXPECT_EQ(app.find("secret"), std::string::npos);
  options.mechanism = smtp::LoginMechanism::kScramSha256;
  const Hop scram = smart_host(options, "", nullptr);
  EXPECT_NE(scram.site, verified);
  EXPECT_EQ(scram.login->mechanism, smtp::LoginMechanism::kScramSha256);
}

TEST(SmartHost, MayBeAMailStore) {
  RouteOptions options = to("store.example");
  const Hop smtp = smart_host(options, "", nullptr);
  options.protocol = smtp::Protocol::kLmtp;
  const Hop lmtp = smart_host(options, "", nullptr);
  EXPECT_EQ(lmtp.protocol, smtp::Protocol::kLmtp);
  EXPECT_NE(lmtp.site, smtp.site);
}

TEST(SmartHost, MayBeASocketOfThisMachine) {
  RouteOptions options = to("unix:/run/Dovecot/lmtp");
  options.protocol = smtp::Protocol::kLmtp;
  options.tls = policy::TlsLevel::kNone;
  const Hop hop = smart_host(options, "", nullptr);
  EXPECT_TRUE(hop.is_smart_host());
  EXPECT_EQ(hop.path, "/run/Dovecot/lmtp");
  EXPECT_EQ(hop.host, "unix:/run/Dovecot/lmtp");
  EXPECT_EQ(hop.site, "unix:/run/Dovecot/lmtp none lmtp");
  EXPECT_EQ(hop.port, 0);
}

TEST(Routes, TheNearestEntryCounts) {
  Routes routes{Hop{}};
  EXPECT_FALSE(routes.find("example.org", "").is_smart_host());
  routes.add(".example.org", "", smart_host(to("parent"), "", nullptr));
  routes.add("Example.ORG", "", smart_host(to("own"), "", nullptr));
  routes.add(".deep.example.org", "", smart_host(to("deep"), "", nullptr));
  EXPECT_EQ(routes.find("example.org", "").host, "own");
  EXPECT_EQ(routes.find("a.example.org", "").host, "parent");
  EXPECT_EQ(routes.find("a.deep.example.org", "").host, "deep");
  EXPECT_EQ(routes.find("deep.example.org", "").host, "parent");
  EXPECT_FALSE(routes.find("badexample.org", "").is_smart_host());
  EXPECT_FALSE(routes.find("[192.0.2.1]", "").is_smart_host());
  routes.add("*", "", smart_host(to("all"), "", nullptr));
  EXPECT_EQ(routes.find("badexample.org", "").host, "all");
  EXPECT_EQ(routes.find("[192.0.2.1]", "").host, "all");
}

TEST(Routes, ThoseOfTheTenantComeFirst) {
  Routes routes{Hop{}};
  routes.add(".example.org", "shop", smart_host(to("shops"), "", nullptr));
  EXPECT_EQ(routes.find("a.example.org", "shop").host, "shops");
  EXPECT_FALSE(routes.find("a.example.org", "").is_smart_host());
  EXPECT_FALSE(routes.find("a.example.org", "bank").is_smart_host());
  EXPECT_FALSE(routes.find("example.com", "shop").is_smart_host());
  routes.add("a.example.org", "", smart_host(to("nearer"), "", nullptr));
  routes.add("*", "", smart_host(to("all"), "", nullptr));
  EXPECT_EQ(routes.find("a.example.org", "shop").host, "shops");
  EXPECT_EQ(routes.find("a.example.org", "bank").host, "nearer");
  EXPECT_EQ(routes.find("example.com", "shop").host, "all");
}

TEST(Routes, AreKnownByWhatTheyAreFor) {
  RouteOptions options = to("relay.example");
  options.domain = "*";
  EXPECT_EQ(smart_host(options, "", nullptr).route, "domain *");
  options.tenant = "shop";
  EXPECT_EQ(smart_host(options, "", nullptr).route, "tenant shop, domain *");
}

}  // namespace
}  // namespace postrider::delivery
