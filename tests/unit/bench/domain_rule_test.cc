#include "bench/sim/domain_rule.h"

#include <gmock/gmock.h>

namespace postrider::bench {
namespace {

using testing::HasSubstr;

DomainRule rule(const std::string& keys) {
  auto line = parse_rule_line("a.test " + keys);
  EXPECT_TRUE(line) << keys;
  return line->rule;
}

std::string error_of(std::string_view line) {
  const auto parsed = parse_rule_line(line);
  return parsed ? "" : parsed.error().text();
}

const std::optional<Step>& step(const DomainRule& rule, Phase phase) {
  return rule.steps[static_cast<std::size_t>(phase)];
}

TEST(DomainRule, ReadsEveryKey) {
  const DomainRule r = rule(
      "mx=127.0.0.2,127.0.0.3 ttl=7 mx-preference=equal dns=nullmx tls=required "
      "certificate=expired share=0.5 greylist=5s delay=100ms messages-per-connection=3 "
      "connections=4 recipients=5 listen=off tickets=off");
  EXPECT_EQ(r.mx.size(), 2U);
  EXPECT_EQ(r.mx[1].to_string(), "127.0.0.3");
  EXPECT_EQ(r.ttl, 7U);
  EXPECT_TRUE(r.mx_preference_equal);
  EXPECT_EQ(r.dns, DnsMode::kNullMx);
  EXPECT_EQ(r.tls, TlsMode::kRequired);
  EXPECT_EQ(r.certificate, CertificateKind::kExpired);
  EXPECT_EQ(r.greylist, Milliseconds(5000));
  EXPECT_EQ(r.delay, Milliseconds(100));
  EXPECT_EQ(r.messages_per_connection, 3U);
  EXPECT_EQ(r.connections, 4U);
  EXPECT_EQ(r.recipients, 5U);
  EXPECT_FALSE(r.listen);
  EXPECT_FALSE(r.tickets);
}

TEST(DomainRule, ReadsSteps) {
  const DomainRule r = rule("greeting=554 rcpt=451_4.7.1_try_later dot=hang data=endless");
  EXPECT_EQ(step(r, Phase::kGreeting)->code, 554);
  EXPECT_EQ(step(r, Phase::kRcpt)->reply, "451 4.7.1 try later");
  EXPECT_EQ(step(r, Phase::kDot)->act, Step::Act::kHang);
  EXPECT_EQ(step(r, Phase::kData)->act, Step::Act::kEndless);
  EXPECT_FALSE(step(r, Phase::kMail));
}

TEST(DomainRule, OkTakesAStepBack) {
  DomainRule r = rule("dot=451");
  ASSERT_TRUE(r.set("dot=ok"));
  EXPECT_FALSE(step(r, Phase::kDot));
}

TEST(DomainRule, ErrorsNameKeyAndValue) {
  EXPECT_THAT(error_of("a.test rpct=451"), HasSubstr("unknown key 'rpct'; did you mean rcpt?"));
  EXPECT_THAT(error_of("a.test rcpt=4x1"), HasSubstr("rcpt: '4x1'"));
  EXPECT_THAT(error_of("a.test rcpt=451x"), HasSubstr("rcpt"));
  EXPECT_THAT(error_of("a.test rcpt=199"), HasSubstr("rcpt"));
  EXPECT_THAT(error_of("a.test mx=localhost"), HasSubstr("mx: 'localhost' is not an IP address"));
  EXPECT_THAT(error_of("a.test dns=maybe"), HasSubstr("one of ok, nxdomain"));
  EXPECT_THAT(error_of("a.test word"), HasSubstr("not key=value"));
  EXPECT_THAT(error_of("a..b mx=127.0.0.2"), HasSubstr("'a..b'"));
  EXPECT_THAT(error_of("   "), HasSubstr("begins with a domain name"));
}

TEST(DomainRule, AFailedSetChangesNothing) {
  DomainRule r = rule("mx=127.0.0.2");
  EXPECT_FALSE(r.set("mx=127.0.0.3,nonsense"));
  ASSERT_EQ(r.mx.size(), 1U);
  EXPECT_EQ(r.mx[0].to_string(), "127.0.0.2");
}

TEST(DomainRule, AShareIsSpreadEvenly) {
  const DomainRule r = rule("dot=451 share=0.2");
  std::string pattern;
  for (int i = 0; i < 15; ++i) pattern += r.take_step(Phase::kDot) != nullptr ? 'x' : '.';
  EXPECT_EQ(pattern, "....x....x....x");
  EXPECT_EQ(r.take_step(Phase::kRcpt), nullptr);
}

TEST(DomainRule, AFileHasCommentsAndLineNumbers) {
  const auto rules = parse_rule_text("# all\n\na.test mx=127.0.0.2 # one\r\nb.test\n", "f");
  ASSERT_TRUE(rules);
  EXPECT_EQ(rules->size(), 2U);
  const auto wrong = parse_rule_text("a.test\n\nb.test x=1\n", "rules.txt");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().text(), HasSubstr("rules.txt:3: unknown key 'x'"));
}

}  // namespace
}  // namespace postrider::bench
