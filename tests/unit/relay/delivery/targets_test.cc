#include "relay/delivery/targets.h"

#include <gmock/gmock.h>

namespace postrider::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

dns::Route route_of(dns::RouteStatus status) {
  dns::Route route;
  route.status = status;
  route.detail = "MX x.example";
  return route;
}

dns::Host host(const std::string& name, const std::vector<std::string>& addresses) {
  dns::Host made;
  made.name = name;
  for (const std::string& address : addresses) made.addresses.push_back(*IpAddress::parse(address));
  return made;
}

dns::Route found(std::vector<dns::Host> hosts) {
  dns::Route route = route_of(dns::RouteStatus::kFound);
  route.hosts = std::move(hosts);
  return route;
}

std::vector<std::string> shown(const TargetList& list) {
  std::vector<std::string> all;
  for (const Target& target : list.targets)
    all.push_back(target.host + " " + target.ip.to_string());
  return all;
}

class NoResolver final : public dns::Resolver {
 public:
  using Done = UniqueFunction<void(std::shared_ptr<const dns::Route>)>;

  void resolve(std::string, Executor&, Done) override { ADD_FAILURE() << "asked"; }

  void resolve_host(std::string, Executor&, Done) override { ADD_FAILURE() << "asked"; }

  void stop() override {}
};

TargetList all_targets(const dns::Route& route, const Options& options,
                       const std::vector<std::string>& own = {}) {
  std::vector<Network> networks;
  for (const std::string& one : own) networks.push_back(*Network::parse(one));
  return targets_of(route, Hop{}, *Sources(options, "").pool("").front(), options, networks);
}

TEST(TargetsOf, TakesOneAddressOfEachHostBeforeTheSecondOfAny) {
  const auto list = all_targets(found({host("a", {"8.8.8.1", "8.8.8.2", "8.8.8.3"}), host("b", {}),
                                       host("c", {"2606:4700::1"})}),
                                {});
  EXPECT_THAT(shown(list), ElementsAre("a 8.8.8.1", "c 2606:4700::1", "a 8.8.8.2", "a 8.8.8.3"));
  EXPECT_EQ(list.verdict.code, 0);
}

TEST(TargetsOf, StopsAtTheLimit) {
  Options options;
  options.addresses_max = 2;
  const auto list = all_targets(found({host("a", {"8.8.8.1", "8.8.8.2", "8.8.8.3"})}), options);
  EXPECT_THAT(shown(list), ElementsAre("a 8.8.8.1", "a 8.8.8.2"));
}

TEST(TargetsOf, LeavesAddressesOfOurOwnNetworkOut) {
  const auto list = all_targets(
      found({host("a", {"127.0.0.1", "10.1.2.3"}), host("b", {"8.8.8.8"}), host("c", {"::1"})}),
      {});
  EXPECT_THAT(shown(list), ElementsAre("b 8.8.8.8"));
}

TEST(TargetsOf, BouncesWhereNothingElseIsThere) {
  const auto list = all_targets(found({host("inner.example", {"192.168.0.1"})}), {});
  EXPECT_TRUE(list.targets.empty());
  EXPECT_TRUE(list.verdict.is_permanent());
  EXPECT_THAT(list.verdict.text, HasSubstr("inner.example"));
}

TEST(TargetsOf, ContactsThemWhereTheOptionsAllowIt) {
  Options options;
  options.allow_special_addresses = true;
  EXPECT_THAT(shown(all_targets(found({host("a", {"127.0.0.1"})}), options)),
              ElementsAre("a 127.0.0.1"));
}

TEST(TargetsOf, UsesTheFamilyThatHasASource) {
  Options options;
  options.source_ipv4 = IpAddress::parse("192.0.2.1");
  const dns::Route both = found({host("a", {"2606:4700::1", "8.8.8.8"})});
  EXPECT_THAT(shown(all_targets(both, options)), ElementsAre("a 8.8.8.8"));
  options.source_ipv6 = IpAddress::parse("2001:db8::1");
  EXPECT_EQ(all_targets(both, options).targets.size(), 2U);
}

TEST(TargetsOf, WaitsWhereNoAddressIsOfThatFamily) {
  Options options;
  options.source_ipv4 = IpAddress::parse("192.0.2.1");
  const auto list = all_targets(found({host("a", {"2606:4700::1"})}), options);
  EXPECT_TRUE(list.targets.empty());
  EXPECT_TRUE(list.verdict.is_transient());
}

// --- this relay among the hosts (RFC 5321 section 5.1)

dns::Host ranked(dns::Host host, std::uint16_t preference) {
  host.preference = preference;
  return host;
}

TEST(TargetsOf, LeavesItselfAndWhatIsNoBetterOut) {
  const dns::Route route = found(
      {ranked(host("best", {"8.8.8.1"}), 10), ranked(host("good", {"8.8.8.2"}), 20),
       ranked(host("equal", {"8.8.8.3"}), 30), ranked(host("self", {"8.8.8.9", "8.8.8.4"}), 30),
       ranked(host("worse", {"8.8.8.5"}), 40)});
  EXPECT_THAT(shown(all_targets(route, {}, {"8.8.8.4"})),
              ElementsAre("best 8.8.8.1", "good 8.8.8.2"));
}

TEST(TargetsOf, TheBestOfItsOwnNamesCounts) {
  const dns::Route route =
      found({ranked(host("good", {"8.8.8.2"}), 5), ranked(host("also", {"8.8.8.3"}), 15),
             ranked(host("self2", {"8.8.8.4"}), 20), ranked(host("self1", {"2606:4700::1"}), 10)});
  EXPECT_THAT(shown(all_targets(route, {}, {"2606:4700::/64", "8.8.8.4"})),
              ElementsAre("good 8.8.8.2"));
}

TEST(TargetsOf, BouncesALoop) {
  const dns::Route route =
      found({ranked(host("self", {"8.8.8.4"}), 10), ranked(host("worse", {"8.8.8.5"}), 10)});
  const TargetList list = all_targets(route, {}, {"8.8.8.4"});
  EXPECT_TRUE(list.targets.empty());
  EXPECT_EQ(list.verdict.to_line(),
            "554 5.4.6 Mail loop: the domain's best mail host is this relay itself (self)");
}

TEST(TargetsOf, ASmartHostMayBeAnywhere) {
  Hop hop;
  hop.host = "relay";
  const dns::Route route = found({host("relay", {"10.0.0.1", "127.0.0.1"})});
  const std::vector<Network> own = {*Network::parse("127.0.0.1")};
  EXPECT_THAT(shown(targets_of(route, hop, {}, {}, own)),
              ElementsAre("relay 10.0.0.1", "relay 127.0.0.1"));
}

TEST(TargetsOf, ASocketIsFoundWithoutTheDns) {
  Hop hop;
  hop.host = "unix:/run/lmtp";
  hop.path = "/run/lmtp";
  hop.site = "unix:/run/lmtp none lmtp";
  NoResolver resolver;
  InlineExecutor here;
  std::shared_ptr<const dns::Route> route;
  find_route(resolver, "to.example", hop, here, [&](auto found) { route = std::move(found); });
  ASSERT_TRUE(route);
  EXPECT_EQ(route->status, dns::RouteStatus::kFound);
  EXPECT_EQ(route->site, hop.site);
  const auto list = targets_of(*route, hop, *Sources({}, "").pool("").front(), {}, {});
  ASSERT_EQ(list.targets.size(), 1U);
  EXPECT_EQ(list.targets[0].path, "/run/lmtp");
  EXPECT_EQ(list.targets[0].ip_text(), "");
}

TEST(TargetsOf, WithoutASmartHostInTheDnsMailWaits) {
  Hop hop;
  hop.host = "relay";
  const auto list = targets_of(route_of(dns::RouteStatus::kNoHosts), hop, {}, {}, {});
  EXPECT_EQ(list.verdict.to_line(),
            "451 4.4.3 The smart host could not be looked up (MX x.example)");
}

TEST(TargetsOf, SaysWhatARouteWithoutHostsMeans) {
  using enum dns::RouteStatus;
  const auto line = [](dns::RouteStatus status) {
    const TargetList list = all_targets(route_of(status), {});
    EXPECT_TRUE(list.targets.empty());
    return list.verdict.to_line();
  };
  EXPECT_EQ(line(kNoDomain), "550 5.1.2 The domain does not exist (MX x.example)");
  EXPECT_EQ(line(kNullMx), "556 5.1.10 The domain accepts no mail (MX x.example)");
  EXPECT_EQ(line(kNoHosts), "550 5.4.4 The domain has no mail host with an address (MX x.example)");
  EXPECT_EQ(line(kTemporary), "451 4.4.3 The domain could not be looked up (MX x.example)");
}

}  // namespace
}  // namespace postrider::delivery
