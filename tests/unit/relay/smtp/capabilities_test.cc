#include "relay/smtp/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postrider::smtp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Offer, DependsOnListenerAndTls) {
  ServerOptions options;
  options.host_name = "relay.test";
  TlsFacts tls;
  EXPECT_THAT(offer_capabilities(options, nullptr, false), HasSubstr("\nSTARTTLS"));
  EXPECT_THAT(offer_capabilities(options, nullptr, false), Not(HasSubstr("AUTH")));
  EXPECT_THAT(offer_capabilities(options, &tls, false), HasSubstr("\nAUTH PLAIN LOGIN\n"));
  EXPECT_THAT(offer_capabilities(options, &tls, true),
              HasSubstr("\nAUTH PLAIN LOGIN SCRAM-SHA-256\n"));
  tls.verified = true;
  EXPECT_THAT(offer_capabilities(options, &tls, false), Not(HasSubstr("EXTERNAL")));
  tls.external = true;
  EXPECT_THAT(offer_capabilities(options, &tls, true),
              HasSubstr("\nAUTH PLAIN LOGIN SCRAM-SHA-256 EXTERNAL\n"));
  EXPECT_THAT(offer_capabilities(options, &tls, false), Not(HasSubstr("STARTTLS")));
  options.mode = ListenerMode::kTrusted;
  EXPECT_THAT(offer_capabilities(options, &tls, false), Not(HasSubstr("AUTH")));
  options.tls_available = false;
  EXPECT_THAT(offer_capabilities(options, nullptr, false), Not(HasSubstr("STARTTLS")));
}

TEST(Offer, NamesTheLimits) {
  ServerOptions options;
  options.message_size_max = 1000;
  options.recipients_max = 7;
  EXPECT_THAT(offer_capabilities(options, nullptr, false), HasSubstr("\nSIZE 1000\n"));
  EXPECT_THAT(offer_capabilities(options, nullptr, false), HasSubstr("\nLIMITS RCPTMAX=7"));
  options.messages_max = 3;
  EXPECT_THAT(offer_capabilities(options, nullptr, false),
              HasSubstr("\nLIMITS MAILMAX=3 RCPTMAX=7"));
}

TEST(Offer, PrioritiesEverywhereAndATimeOfReleaseWhereItIsKnown) {
  ServerOptions options;
  options.future_release_max = Seconds(3600);
  EXPECT_THAT(offer_capabilities(options, nullptr, false), HasSubstr("\nMT-PRIORITY MIXER\n"));
  EXPECT_THAT(offer_capabilities(options, nullptr, false), Not(HasSubstr("FUTURERELEASE")));
  EXPECT_THAT(offer_capabilities(options, nullptr, false, WallTime(Seconds(1795299303))),
              HasSubstr("\nFUTURERELEASE 3600 2026-11-21T22:15:03Z\n"));
}

TEST(Parse, Keywords) {
  const auto caps = parse_capabilities(
      "mx.test greets you\npipelining\nSTARTTLS\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES\n"
      "MT-PRIORITY MIXER\nSIZE 1000\nAUTH PLAIN login\nX-OTHER stuff");
  EXPECT_TRUE(caps.pipelining && caps.start_tls && caps.eight_bit_mime && caps.smtputf8);
  EXPECT_TRUE(caps.dsn && caps.enhanced_codes && caps.size && caps.mt_priority);
  EXPECT_EQ(caps.size_max, 1000U);
  EXPECT_THAT(caps.auth, ElementsAre("PLAIN", "LOGIN"));
}

TEST(Parse, TheGreetingLineIsNoKeyword) {
  EXPECT_FALSE(parse_capabilities("PIPELINING").pipelining);
}

TEST(Parse, SizeWithoutOrWithASenselessValue) {
  EXPECT_TRUE(parse_capabilities("x\nSIZE").size);
  EXPECT_EQ(parse_capabilities("x\nSIZE").size_max, 0U);
  EXPECT_EQ(parse_capabilities("x\nSIZE 0").size_max, 0U);
  EXPECT_FALSE(parse_capabilities("x\nSIZE many").size);
  EXPECT_FALSE(parse_capabilities("x\nSIZE -1").size);
}

TEST(Parse, OldAuthFormAndFloods) {
  EXPECT_THAT(parse_capabilities("x\nAUTH=PLAIN LOGIN").auth, ElementsAre("PLAIN", "LOGIN"));
  std::string many = "x\nAUTH";
  for (int i = 0; i < 500; ++i) many += " M" + std::to_string(i);
  EXPECT_LE(parse_capabilities(many).auth.size(), 32U);
  EXPECT_TRUE(parse_capabilities("x\nAUTH " + std::string(100, 'A')).auth.empty());
}

}  // namespace
}  // namespace postrider::smtp
