#include "relay/policy/reply_rules.h"

#include <gtest/gtest.h>

namespace postrider::policy {
namespace {

using message::Stage;
using message::Status;

const ReplyRules kRules({{"421", "[TS04]", Then::kRest, std::chrono::hours(2)},
                         {"4xx", "busy", Then::kSlow, {}},
                         {"550", "", Then::kRetry, {}}});

TEST(ReplyRules, TheFirstThatFitsDecides) {
  const auto rest = kRules.judge(Stage::kMail, {421, {4, 7, 0}, "[ts04] busy"});
  EXPECT_EQ(rest.rule, 0U);
  EXPECT_EQ(rest.judgement.effect, SiteEffect::kRest);
  EXPECT_EQ(rest.rest, std::chrono::hours(2));
  const auto plain = kRules.judge(Stage::kMail, {451, {}, "Server BUSY"});
  EXPECT_EQ(plain.rule, 1U);
  EXPECT_EQ(kRules.judge(Stage::kEndOfData, {550, {5, 1, 1}, "nobody"}).rule, 2U);
  EXPECT_EQ(plain.rest, Duration(0));
  EXPECT_TRUE(kRules.fits(1, {421, {}, "[ts04] busy"}));
}

TEST(ReplyRules, LinesAreJoined) {
  const ReplyRules rules({{"450", "at a rate that prevents", Then::kRetry, {}}});
  EXPECT_TRUE(
      rules.fits(0, {450, {4, 2, 1}, "The user receives mail at a rate that\nprevents more"}));
}

TEST(ReplyRules, ElseTheGeneralPolicyDoes) {
  const Status status{551, {5, 1, 1}, "nobody"};
  const auto decision = kRules.judge(Stage::kRecipient, status);
  EXPECT_FALSE(decision.rule);
  EXPECT_EQ(decision.judgement, judge(Stage::kRecipient, status));
  EXPECT_EQ(ReplyRules().judge(Stage::kRecipient, status).judgement.action, Action::kBounce);
}

TEST(ReplyRules, SilenceAndAcceptanceAreNotForThem) {
  const ReplyRules all({{"4xx", "", Then::kBounce, {}}, {"5xx", "", Then::kRetry, {}}});
  EXPECT_FALSE(all.judge(Stage::kMail, {0, {4, 4, 2}, "lost"}).rule);
  EXPECT_FALSE(all.judge(Stage::kEndOfData, {250, {2, 0, 0}, "ok"}).rule);
  EXPECT_FALSE(all.judge(Stage::kRoute, {550, {5, 1, 2}, "no domain"}).rule);
}

TEST(ReplyRules, WordsAndJudgementsAreTheSame) {
  for (const Then then : {Then::kRetry, Then::kBounce, Then::kSlow, Then::kNextHost, Then::kRest}) {
    EXPECT_EQ(then_of(judgement_of(then)), then) << name_of(then);
  }
  EXPECT_FALSE(then_of({Action::kDelivered, SiteEffect::kNone}));
  EXPECT_EQ(then_of({Action::kBounce, SiteEffect::kNextHost}), Then::kBounce);
}

TEST(ReplyRules, KnowsItsCodes) {
  for (const char* good : {"400", "421", "599", "4xx", "5xx"}) EXPECT_TRUE(check_reply_code(good));
  for (const char* bad : {"", "250", "600", "42", "4211", "2xx", "xxx", "4XX", "+42"}) {
    EXPECT_FALSE(check_reply_code(bad)) << bad;
  }
}

TEST(ReplySample, IsRead) {
  const auto plain = parse_reply_sample("slow: 421 4.7.0 too many: slow down");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->then, Then::kSlow);
  EXPECT_EQ(plain->stage, Stage::kEndOfData);
  EXPECT_EQ(plain->status, (Status{421, {4, 7, 0}, "too many: slow down"}));
  const auto staged = parse_reply_sample("next_host at greeting: 554 go away");
  ASSERT_TRUE(staged);
  EXPECT_EQ(staged->stage, Stage::kGreeting);
  EXPECT_EQ(staged->status, (Status{554, {}, "go away"}));
}

TEST(ReplySample, RefusesWhatIsNone) {
  for (const char* text :
       {"", "421 x", "slow:421 x", "fast: 421 x", "slow at nowhere: 421 x", "slow at route: 421 x",
        "slow: 250 ok", "slow: 4211 x", "slow: 421", "slow: x", "slow at greeting 421 x"}) {
    EXPECT_FALSE(parse_reply_sample(text)) << text;
  }
}

}  // namespace
}  // namespace postrider::policy
