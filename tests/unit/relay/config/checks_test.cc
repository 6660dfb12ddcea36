#include "relay/config/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/relay/config/load_text.h"

namespace postrider::config {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kServer = "[server]\nhost_name = \"r.example\"\n";
constexpr const char* kTls = "[tls]\ncertificate = \"/c\"\nkey = \"/k\"\n";

std::string with(std::initializer_list<std::string> parts) {
  std::string text;
  for (const std::string& part : parts) text += part;
  return text;
}

TEST(Checks, AListenerIsNeeded) {
  EXPECT_THAT(problems_of(kServer),
              ElementsAre("file: listener: missing; without a [[listener]] nobody can hand in "
                          "mail"));
}

TEST(Checks, AListenerNeedsAnAddress) {
  EXPECT_THAT(problems_of(with({kServer, kTls, "[[listener]]\nmode = \"submission\"\n"})),
              ElementsAre("6: listener.address: missing; every [[listener]] needs one, like "
                          "\"0.0.0.0:587\""));
}

TEST(Checks, AListenerForPasswordsNeedsACertificate) {
  EXPECT_THAT(
      problems_of(with(
          {kServer, "[[listener]]\naddress = \"127.0.0.1:465\"\n", "mode = \"submissions\"\n"})),
      ElementsAre("5: listener.mode: \"submissions\" needs a certificate: set certificate and key "
                  "here or in [tls]"));
  EXPECT_THAT(problems_of(with({kServer, "[[listener]]\naddress = \"127.0.0.1:587\"\n"})),
              ElementsAre("3: listener.mode: \"submission\" needs a certificate: set certificate "
                          "and key here or in [tls]"));
  EXPECT_THAT(problems_of(with({kServer, "[[listener]]\naddress = \"127.0.0.1:587\"\n",
                                "certificate = \"/c\"\nkey = \"/k\"\n"})),
              IsEmpty());
}

TEST(Checks, CertificateAndKeyGoTogether) {
  EXPECT_THAT(problems_of(with({kServer, "[tls]\ncertificate = \"/c\"\n",
                                "[[listener]]\naddress = \"127.0.0.1:587\"\n"})),
              ElementsAre("4: tls.certificate: set without key; they go together"));
  EXPECT_THAT(problems_of(with({kServer, kTls, "[[listener]]\naddress = \"127.0.0.1:587\"\n",
                                "key = \"/k\"\n"})),
              ElementsAre("8: listener.key: set without certificate; they go together"));
}

// --- routes

std::vector<std::string> route_problems(const std::string& route) {
  return problems_of(
      with({kServer, kTls, "[[listener]]\naddress = \"127.0.0.1:587\"\n", "[[route]]\n", route}));
}

TEST(Checks, ARouteNeedsADomainAndAHost) {
  EXPECT_THAT(route_problems("domain = \"*\"\nhost = \"smtp.example\"\n"), IsEmpty());
  EXPECT_THAT(route_problems("domain = \".example.org\"\nhost = \"192.0.2.1\"\n"), IsEmpty());
  EXPECT_THAT(route_problems("port = 25\n"),
              ElementsAre("8: route.domain: missing, and so is tenant",
                          "8: route.host: missing; every [[route]] needs one"));
  EXPECT_THAT(route_problems("domain = \"a b\"\nhost = \"smtp.example\"\n"),
              ElementsAre(HasSubstr("is not a host name")));
}

TEST(Checks, ADomainHasOneRoute) {
  EXPECT_THAT(route_problems("domain = \"a.example\"\nhost = \"x.example\"\n"
                             "[[route]]\ndomain = \"A.example\"\nhost = \"y.example\"\n"),
              ElementsAre(HasSubstr("'a.example' is there twice")));
}

TEST(Checks, ATenantMayHaveARouteOfItsOwnForEachDomain) {
  const std::string all = "domain = \"*\"\nhost = \"x.example\"\n";
  const std::string shop = "tenant = \"shop\"\nhost = \"y.example\"\n";
  EXPECT_THAT(route_problems(all + "[[route]]\n" + shop), IsEmpty());
  EXPECT_THAT(route_problems(shop + "[[route]]\ndomain = \"a.example\"\n" + shop), IsEmpty());
  // One of the two could never be taken.
  EXPECT_THAT(route_problems(shop + "[[route]]\n" + shop),
              ElementsAre("12: route.tenant: '*' is there twice for tenant 'shop'"));
  EXPECT_THAT(route_problems("tenant = \"a b\"\nhost = \"x.example\"\n"),
              ElementsAre(HasSubstr("tenant")));
}

TEST(Checks, LmtpHasAPortOfItsOwn) {
  const std::string to = "domain = \"*\"\nhost = \"store.example\"\nprotocol = \"lmtp\"\n";
  EXPECT_THAT(route_problems(to + "port = 24\n"), IsEmpty());
  EXPECT_THAT(route_problems(to), ElementsAre(HasSubstr("route.port: missing; LMTP has no port")));
  EXPECT_THAT(
      route_problems(to + "port = 25\n"),
      ElementsAre("12: route.port: 25 is that of SMTP, where LMTP must not be used (RFC 2033)"));
}

TEST(Checks, ASocketIsForLmtpAndHasNeitherPortNorTls) {
  const std::string to = "domain = \"*\"\nhost = \"unix:/run/dovecot/lmtp\"\n";
  EXPECT_THAT(route_problems(to + "protocol = \"lmtp\"\n"), IsEmpty());
  EXPECT_THAT(route_problems(to + "protocol = \"lmtp\"\ntls = \"none\"\n"), IsEmpty());
  EXPECT_THAT(route_problems(to), ElementsAre(HasSubstr("is for lmtp")));
  EXPECT_THAT(route_problems(to + "protocol = \"lmtp\"\nport = 24\ntls = \"verify\"\n"),
              ElementsAre(HasSubstr("route.port: "), HasSubstr("route.tls: ")));
  EXPECT_THAT(route_problems("domain = \"*\"\nhost = \"unix:lmtp\"\nprotocol = \"lmtp\"\n"),
              Contains(HasSubstr("begins with /")));
}

TEST(Checks, ALoginOfARouteNeedsAPasswordAndTls) {
  const std::string to = "domain = \"*\"\nhost = \"smtp.example\"\n";
  EXPECT_THAT(route_problems(to + "user = \"u\"\npassword = \"p\"\n"), IsEmpty());
  EXPECT_THAT(route_problems(to + "user = \"u\"\n"), ElementsAre(HasSubstr("needs password")));
  EXPECT_THAT(route_problems(to + "password = \"p\"\n"), ElementsAre(HasSubstr("missing")));
  EXPECT_THAT(route_problems(to + "user = \"u\"\npassword = \"p\"\npassword_file = \"/p\"\n"),
              ElementsAre(HasSubstr("one of the two")));
  EXPECT_THAT(route_problems(to + "user = \"u\"\npassword = \"p\"\ntls = \"may\"\n"),
              ElementsAre(HasSubstr("a login needs tls")));
  EXPECT_THAT(route_problems(to + "implicit_tls = true\ntls = \"none\"\n"),
              ElementsAre(HasSubstr("needs tls")));
}

TEST(Checks, ATrustedListenerNeedsNetworks) {
  const std::string listener = "[[listener]]\naddress = \"127.0.0.1:2525\"\nmode = \"trusted\"\n";
  EXPECT_THAT(problems_of(with({kServer, listener})),
              ElementsAre("5: listener.mode: \"trusted\" lets nobody in: list the clients in "
                          "submission.trusted_networks"));
  EXPECT_THAT(
      problems_of(with({kServer, listener, "[submission]\ntrusted_networks = [\"127.0.0.1\"]\n"})),
      IsEmpty());
}

TEST(Checks, AddressesOfListenersDoNotCollide) {
  const auto two = [](const char* second) {
    return with({kServer, kTls, "[[listener]]\naddress = \"127.0.0.1:587\"\n",
                 "[[listener]]\naddress = \"", second, "\"\n"});
  };
  EXPECT_THAT(problems_of(two("127.0.0.1:587")),
              ElementsAre("9: listener.address: 127.0.0.1:587 collides with 127.0.0.1:587 of the "
                          "listener on line 7"));
  EXPECT_THAT(problems_of(two("0.0.0.0:587")), ElementsAre(HasSubstr("9: listener.address: ")));
  EXPECT_THAT(problems_of(two("127.0.0.2:587")), IsEmpty());
  EXPECT_THAT(problems_of(two("127.0.0.1:465")), IsEmpty());
  EXPECT_THAT(problems_of(two("[::1]:587")), IsEmpty());
}

TEST(Checks, Port0NeverCollides) {
  EXPECT_THAT(problems_of(with({kServer, kTls, "[[listener]]\naddress = \"127.0.0.1:0\"\n",
                                "[[listener]]\naddress = \"127.0.0.1:0\"\n",
                                "[admin]\naddress = \"127.0.0.1:0\"\n"})),
              IsEmpty());
}

TEST(Checks, TheAdminAddressDoesNotCollideEither) {
  const std::string admin = "[admin]\naddress = \"127.0.0.1:587\"\n";
  EXPECT_THAT(problems_of(admin + kRest),
              ElementsAre("2: admin.address: 127.0.0.1:587 collides with 127.0.0.1:587 of the "
                          "listener on line 10"));
  EXPECT_THAT(problems_of(admin + "enabled = false\n" + kRest), IsEmpty());
}

TEST(Checks, AnOpenAdminAddressNeedsAToken) {
  const std::string admin = "[admin]\naddress = \"0.0.0.0:8025\"\n";
  EXPECT_THAT(problems_of(admin + kRest),
              ElementsAre("2: admin.address: 0.0.0.0:8025 is no loopback address, so admin.token "
                          "must be set"));
  EXPECT_THAT(problems_of(admin + "token = \"0123456789abcdef\"\n" + kRest), IsEmpty());
}

constexpr const char* kHash =
    "$y$j9T$U6qZvJ4bldmGjLi/esl9R1$8.U1mK7Byy5SNzq6tYEzI6PqMrQhzPdVL46I4MXUY79";

TEST(Checks, AUserNeedsNameAndHash) {
  EXPECT_THAT(
      problems_of(with({"[[user]]\nname = \"a\"\n", kRest})),
      ElementsAre("1: user.password_hash: missing; 'postrider user add' and 'postrider user "
                  "hash' make one"));
  EXPECT_THAT(problems_of(with({"[[user]]\npassword_hash = \"", kHash, "\"\n", kRest})),
              ElementsAre("1: user.name: missing; every [[user]] needs one"));
  EXPECT_THAT(
      problems_of(with({"[[user]]\nname = \"a\"\npassword_hash = \"", kHash, "\"\n", kRest})),
      IsEmpty());
}

TEST(Checks, AHashHasAKnownForm) {
  const auto problems =
      problems_of(with({"[[user]]\nname = \"a\"\npassword_hash = \"secret\"\n", kRest}));
  EXPECT_THAT(problems, ElementsAre(HasSubstr("3: user.password_hash: ")));
  EXPECT_THAT(problems, Not(Contains(HasSubstr("secret"))));
}

TEST(Checks, APlainPasswordMustBeAllowed) {
  EXPECT_THAT(problems_of(with({"[[user]]\nname = \"a\"\npassword = \"b\"\n", kRest})),
              ElementsAre("3: user.password: a plain password needs server.allow_plain_passwords = "
                          "true; better make a hash with 'postrider user hash'"));
  EXPECT_THAT(problems_of(with({kServer, "allow_plain_passwords = true\n", kTls,
                                "[[listener]]\naddress = \"127.0.0.1:587\"\n",
                                "[[user]]\nname = \"a\"\npassword = \"b\"\n"})),
              IsEmpty());
}

TEST(Checks, AUserHasOnePassword) {
  EXPECT_THAT(problems_of(with({kServer, "allow_plain_passwords = true\n", kTls,
                                "[[listener]]\naddress = \"127.0.0.1:587\"\n",
                                "[[user]]\nname = \"a\"\npassword = \"b\"\npassword_hash = \"",
                                kHash, "\"\n"})),
              ElementsAre("11: user.password: set beside password_hash; one of the two is enough"));
  EXPECT_THAT(problems_of(with({"[[user]]\nname = \"a\"\npassword_hash = \"\"\n", kRest})),
              ElementsAre("3: user.password_hash: must not be empty"));
}

TEST(Checks, ACertificateIsEnoughToLogInWith) {
  EXPECT_THAT(
      problems_of(with({"[[user]]\nname = \"a\"\ncertificates = [\"dns:a.example\"]\n", kRest})),
      IsEmpty());
  EXPECT_THAT(
      problems_of(with({"[[user]]\nname = \"a\"\ncertificates = [\"a.example\"]\n", kRest})),
      Contains(HasSubstr("'a.example' is none of \"sha256:\"")));
}

// --- listeners

std::vector<std::string> listener_problems(const std::string& options) {
  return problems_of(with({kServer, kTls, "[submission]\ntrusted_networks = [\"10.0.0.0/8\"]\n",
                           "[[listener]]\naddress = \"127.0.0.1:587\"\n", options}));
}

TEST(Checks, AListenersMessagesAreNoLargerThanAllMay) {
  EXPECT_THAT(listener_problems("message_size_max = \"1MiB\"\n"), IsEmpty());
  EXPECT_THAT(listener_problems("message_size_max = \"1GiB\"\n"),
              ElementsAre("10: listener.message_size_max: more than submission.message_size_max"));
}

TEST(Checks, ClientCertificatesAreForLogins) {
  EXPECT_THAT(listener_problems("client_ca = \"/ca\"\nclient_certificate_required = true\n"),
              IsEmpty());
  EXPECT_THAT(listener_problems("client_certificate_required = true\n"),
              ElementsAre("10: listener.client_certificate_required: needs client_ca"));
  EXPECT_THAT(
      listener_problems("mode = \"trusted\"\nclient_ca = \"/ca\"\n"),
      ElementsAre("11: listener.client_ca: serves logins, which a trusted listener has none of"));
}

TEST(Checks, NamesOfUsersAreUnique) {
  const std::string user = with({"[[user]]\nname = \"a\"\npassword_hash = \"", kHash, "\"\n"});
  EXPECT_THAT(problems_of(user + user + kRest), ElementsAre("5: user.name: 'a' is there twice"));
}

TEST(Checks, TheHostNameIsTheSystemsUnlessItIsSet) {
  const std::string text = with({kTls, "[[listener]]\naddress = \"127.0.0.1:587\"\n"});
  EXPECT_THAT(problems_of(text),
              ElementsAre("file: server.host_name: missing, and the system has no name"));
  const auto system = [] { return Result<std::string>("host.example.net"); };
  const LoadResult loaded = load_text(text, "t", system);
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.server.host_name, "host.example.net");
  EXPECT_EQ(loaded.config.submission.session.host_name, "host.example.net");
}

TEST(Checks, ABadValueIsToldOnce) {
  EXPECT_THAT(problems_of(with({"[server]\nhost_name = \"a b\"\n", kTls,
                                "[[listener]]\naddress = \"127.0.0.1\"\nmode = \"x\"\n"})),
              ElementsAre(HasSubstr("2: server.host_name: 'a b' is not a host name"),
                          HasSubstr("7: listener.address: '127.0.0.1' is not an address"),
                          HasSubstr("8: listener.mode: 'x' is none of")));
}

struct OrderCase {
  const char* text;
  const char* problem;
};

class ChecksOrder : public testing::TestWithParam<OrderCase> {};

TEST_P(ChecksOrder, BlamesWhatTheFileSets) {
  EXPECT_THAT(problems_of(GetParam().text + std::string(kRest)), ElementsAre(GetParam().problem));
}

INSTANTIATE_TEST_SUITE_P(
    Options, ChecksOrder,
    testing::Values(
        OrderCase{"[retry]\nfirst_interval = \"5h\"",
                  "2: retry.first_interval: \"5h\" is more than retry.interval_max, which is "
                  "\"4h\""},
        OrderCase{"[retry]\ninterval_max = \"1m\"",
                  "2: retry.interval_max: \"1m\" is less than retry.first_interval, which is "
                  "\"5m\""},
        OrderCase{"[delivery]\nconnections_max = 2",
                  "2: delivery.connections_max: 2 is less than delivery.connections_first, which "
                  "is 4"},
        OrderCase{"[dns]\nttl_max = \"1s\"",
                  "2: dns.ttl_max: \"1s\" is less than dns.ttl_min, which is \"5s\""},
        OrderCase{"[queue]\nleases_max = 10",
                  "2: queue.leases_max: 10 is less than queue.leases_per_queue_max, which is "
                  "5000"}));

std::string key(const std::string& selector, const std::string& more = "") {
  return "[[dkim]]\ndomain = \"Example.com\"\nselector = \"" + selector + "\"\nkey = \"/k.pem\"\n" +
         more;
}

TEST(Checks, AKeyNeedsDomainSelectorAndFile) {
  EXPECT_THAT(problems_of(std::string("[[dkim]]\n") + kRest),
              ElementsAre("1: dkim.domain: missing; every [[dkim]] needs one",
                          "1: dkim.selector: missing; every [[dkim]] needs one",
                          "1: dkim.key: missing; every [[dkim]] needs one"));
  const LoadResult loaded = load(key("s") + kRest);
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.signing.keys[0].domain, "example.com");
}

TEST(Checks, EachKeyHasASelectorOfItsOwn) {
  EXPECT_THAT(problems_of(key("s") + key("S") + kRest),
              ElementsAre("7: dkim.selector: s._domainkey.example.com is there twice; each key "
                          "needs a selector of its own"));
  EXPECT_THAT(problems_of(key("s") + key("s", "tenant = \"shop\"\n") + kRest), IsEmpty());
}

TEST(Checks, AMessageGetsFewSignatures) {
  EXPECT_THAT(problems_of(key("a") + key("b") + key("c") + key("d") + key("e") + kRest),
              ElementsAre("18: dkim.domain: more than 4 keys would sign each message of "
                          "example.com"));
}

}  // namespace
}  // namespace postrider::config
