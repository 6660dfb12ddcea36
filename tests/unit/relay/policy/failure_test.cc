#include "relay/policy/failure.h"

#include <algorithm>
#include <charconv>
#include <gtest/gtest.h>
#include <ostream>
#include <string>
#include <vector>

namespace postrider::policy {

void PrintTo(const Judgement& judgement, std::ostream* out) {
  constexpr const char* kActions[] = {"delivered", "retry later", "bounce"};
  constexpr const char* kEffects[] = {"", ", next host", ", slow down", ", rest"};
  *out << kActions[static_cast<int>(judgement.action)]
       << kEffects[static_cast<int>(judgement.effect)];
}

namespace {

using message::EnhancedCode;
using message::Stage;
using message::Status;

constexpr Judgement kDelivered{Action::kDelivered, SiteEffect::kNone};
constexpr Judgement kRetry{Action::kRetryLater, SiteEffect::kNone};
constexpr Judgement kNextHost{Action::kRetryLater, SiteEffect::kNextHost};
constexpr Judgement kSlower{Action::kRetryLater, SiteEffect::kSlowDown};
constexpr Judgement kBounce{Action::kBounce, SiteEffect::kNone};
constexpr Judgement kBounceNextHost{Action::kBounce, SiteEffect::kNextHost};

constexpr Stage kAll[] = {Stage::kRoute,     Stage::kConnect,   Stage::kGreeting, Stage::kHello,
                          Stage::kStartTls,  Stage::kHandshake, Stage::kAuth,     Stage::kMail,
                          Stage::kRecipient, Stage::kData,      Stage::kEndOfData};
constexpr Stage kConnecting[] = {Stage::kConnect,  Stage::kGreeting,  Stage::kHello,
                                 Stage::kStartTls, Stage::kHandshake, Stage::kAuth};
constexpr Stage kDoor[] = {Stage::kGreeting, Stage::kHello};
constexpr Stage kMailing[] = {Stage::kMail, Stage::kRecipient, Stage::kData, Stage::kEndOfData};

// "550 5.1.1 No such user": as a peer would write it.
Status reply(std::string_view line) {
  Status status;
  std::from_chars(line.data(), line.data() + line.size(), status.code);
  line.remove_prefix(std::min(line.size(), line.find(' ')));
  while (line.starts_with(' ')) line.remove_prefix(1);
  const std::string_view word = line.substr(0, line.find(' '));
  if (const auto enhanced = EnhancedCode::parse(word)) {
    status.enhanced = *enhanced;
    line.remove_prefix(std::min(line.size(), word.size() + 1));
  }
  status.text = line;
  return status;
}

Judgement judged(Stage stage, std::string_view line) {
  return judge(stage, reply(line));
}

struct Case {
  Stage stage;
  const char* line;
  Judgement expected;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    EXPECT_EQ(judged(one.stage, one.line), one.expected) << name_of(one.stage) << ": " << one.line;
  }
}

// Delivered.

TEST(Judge, OnlyA2xxToTheFinalDotIsADelivery) {
  expect_all({
      {Stage::kEndOfData, "250 2.0.0 Ok: queued as 12345", kDelivered},
      {Stage::kEndOfData, "250 OK", kDelivered},
      {Stage::kEndOfData, "251 forwarded", kDelivered},
      {Stage::kEndOfData, "250 too many words about rate limit and greylisting", kDelivered},
  });
  for (const Stage stage : kAll) {
    if (stage == Stage::kEndOfData) continue;
    EXPECT_NE(judged(stage, "250 OK").action, Action::kDelivered) << name_of(stage);
  }
}

// No reply at all.

TEST(Judge, WithoutAReplyAnotherHostIsTried) {
  for (const Stage stage : kConnecting) EXPECT_EQ(judge(stage, {}), kNextHost) << name_of(stage);
  expect_all({
      {Stage::kMail, "0", kNextHost},
      {Stage::kRecipient, "0", kNextHost},
      {Stage::kData, "0", kNextHost},
  });
}

TEST(Judge, AfterTheFinalDotALostReplyMayHaveBeenADelivery) {
  EXPECT_EQ(judge(Stage::kEndOfData, {}), kRetry);
}

TEST(Judge, ARouteWithoutAnswerIsAskedForLater) {
  EXPECT_EQ(judge(Stage::kRoute, {}), kRetry);
}

TEST(Judge, AFailureOfOursIsJudgedAsNoReply) {
  for (const Stage stage : kAll) {
    EXPECT_EQ(judge(stage, local_status(stage, "too many connections")), judge(stage, {}))
        << name_of(stage);
  }
}

// The route: what DNS said.

TEST(Judge, TheRouteIsPermanentWhereDnsIs) {
  expect_all({
      {Stage::kRoute, "550 5.1.2 domain does not exist", kBounce},
      {Stage::kRoute, "556 5.1.10 domain accepts no mail (null MX)", kBounce},
      {Stage::kRoute, "550 5.4.4 no address for any mail exchanger", kBounce},
      {Stage::kRoute, "550 5.4.6 mail for this domain loops back to us", kBounce},
      {Stage::kRoute, "451 4.4.3 name server failure", kRetry},
  });
}

TEST(Judge, AHostThatMayNotBeConnectedToLeavesTheOthers) {
  EXPECT_EQ(judged(Stage::kConnect, "550 5.4.4 loopback address refused"), kBounceNextHost);
}

// At the door.

TEST(Judge, ARefusalAtTheDoorIsTheHosts) {
  for (const Stage stage : kDoor) {
    for (const char* line :
         {"450 busy", "451 4.3.0 local error", "550 go away", "550 5.7.1 blocked",
          "554 no SMTP service here", "502 what?", "500 5.5.1 unknown"}) {
      EXPECT_EQ(judged(stage, line), kNextHost) << name_of(stage) << ": " << line;
    }
  }
}

TEST(Judge, AHostThatAcceptsNoMailAtAllIsFinalWhenNoOtherIsLeft) {
  for (const Stage stage : kDoor) {
    EXPECT_EQ(judged(stage, "521 this host accepts no mail"), kBounceNextHost);
    EXPECT_EQ(judged(stage, "521 5.3.2 this host accepts no mail"), kBounceNextHost);
    EXPECT_EQ(judged(stage, "556 this domain accepts no mail"), kBounceNextHost);
  }
  EXPECT_EQ(judged(Stage::kRecipient, "521 5.3.2 no mail here"), kBounceNextHost);
}

TEST(Judge, ARecipientWhoseDomainAcceptsNoMailBounces) {
  EXPECT_EQ(judged(Stage::kRecipient, "556 5.1.10 null MX"), kBounce);
}

// 421, at any time.

TEST(Judge, A421MeansAnotherHostAtAnyTime) {
  for (const Stage stage : kConnecting) {
    EXPECT_EQ(judged(stage, "421 closing"), kNextHost) << name_of(stage);
    EXPECT_EQ(judged(stage, "421 4.3.2 shutting down"), kNextHost) << name_of(stage);
  }
  for (const Stage stage : kMailing) {
    EXPECT_EQ(judged(stage, "421 closing"), kNextHost) << name_of(stage);
    EXPECT_EQ(judged(stage, "421 4.3.2 shutting down"), kNextHost) << name_of(stage);
    EXPECT_EQ(judged(stage, "421 4.4.2 idle too long"), kNextHost) << name_of(stage);
  }
}

TEST(Judge, A421ThatAsksForLessSlowsTheSite) {
  expect_all({
      {Stage::kGreeting, "421 Too many connections from your address", kSlower},
      {Stage::kGreeting, "421 4.7.0 Connection rate limit exceeded", kSlower},
      {Stage::kMail, "421 4.7.0 [TSS04] temporarily deferred", kSlower},
      {Stage::kEndOfData, "421 4.7.28 unusual rate of unsolicited mail", kSlower},
      {Stage::kRecipient, "421 Too many errors on this connection", kNextHost},
  });
}

// A wish for less.

TEST(Judge, RateRepliesSlowTheSite) {
  expect_all({
      {Stage::kRecipient, "451 4.7.1 Please try again later", kSlower},
      {Stage::kEndOfData, "451 4.7.500 Server busy", kSlower},
      {Stage::kMail, "451 4.7.650 The mail server has been rate limited", kSlower},
      {Stage::kMail, "451 4.4.5 system congested", kSlower},
      {Stage::kRecipient,
       "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents "
       "additional messages from being delivered",
       kSlower},
      {Stage::kMail, "450 Too many messages from you", kSlower},
      {Stage::kMail, "452 sending RATE LIMIT reached", kSlower},
      {Stage::kMail, "451 you are being throttled", kSlower},
      {Stage::kGreeting, "554 too many connections", kSlower},
  });
}

TEST(Judge, AWishForLessInA5xxIsStillARefusal) {
  EXPECT_EQ(judged(Stage::kRecipient, "550 5.7.1 rate limit exceeded"), kBounce);
  EXPECT_EQ(judged(Stage::kEndOfData, "554 too many messages"), kBounce);
}

TEST(Judge, TroubleOfOneMailboxOrMessageSlowsNobody) {
  expect_all({
      {Stage::kRecipient, "450 4.2.1 mailbox disabled for now", kRetry},
      {Stage::kRecipient, "452 4.2.2 mailbox full: too many messages", kRetry},
      {Stage::kRecipient, "450 4.1.1 cannot verify address", kRetry},
      {Stage::kRecipient, "450 4.1.8 sender's domain not found", kRetry},
      {Stage::kEndOfData, "451 4.7.26 this mail is not authenticated", kRetry},
      {Stage::kMail, "451 local error in processing", kRetry},
      {Stage::kEndOfData, "451 4.3.0 queue file write error", kRetry},
  });
}

TEST(Judge, GreylistingSlowsNobody) {
  expect_all({
      {Stage::kRecipient, "450 4.2.0 Greylisted for 5 minutes", kRetry},
      {Stage::kRecipient, "451 4.7.1 Greylisting in action, please come back later", kRetry},
      {Stage::kEndOfData, "451 4.7.1 graylisted", kRetry},
  });
}

// RFC 5321 section 4.5.3.1.10.
TEST(Judge, TooManyRecipientsIsForTheNextTransaction) {
  expect_all({
      {Stage::kRecipient, "452 4.5.3 Too many recipients", kRetry},
      {Stage::kRecipient, "452 Too many recipients", kRetry},
      {Stage::kRecipient, "450 too many RCPTs", kRetry},
      {Stage::kRecipient, "552 Too many recipients", kRetry},
      {Stage::kRecipient, "552 5.5.3 Too many recipients", kRetry},
      {Stage::kRecipient, "550 5.5.3 Too many recipients", kRetry},
  });
}

TEST(Judge, A552ThatMeansSizeOrQuotaBounces) {
  expect_all({
      {Stage::kRecipient, "552 5.2.2 mailbox full", kBounce},
      {Stage::kRecipient, "552 5.3.4 message too big for system", kBounce},
      {Stage::kMail, "552 message size exceeds fixed limit", kBounce},
      {Stage::kEndOfData, "552 5.2.3 message too large", kBounce},
      {Stage::kEndOfData, "552 quota exceeded", kBounce},
  });
}

TEST(Judge, AFullOrLeavingHostMeansAnotherHost) {
  expect_all({
      {Stage::kMail, "452 4.3.1 insufficient system storage", kNextHost},
      {Stage::kEndOfData, "452 4.3.1 insufficient system storage", kNextHost},
      {Stage::kRecipient, "450 4.3.2 service currently unavailable", kNextHost},
      {Stage::kMail, "554 5.3.2 system not accepting messages", kBounceNextHost},
  });
}

// TLS and login: an operator's matter.

TEST(Judge, TroubleWithTlsIsNeverAVerdictOnMail) {
  for (const Stage stage : {Stage::kStartTls, Stage::kHandshake}) {
    for (const char* line :
         {"0", "454 4.7.0 TLS not available", "502 not implemented", "554 5.7.3 no", "220 ready"}) {
      EXPECT_EQ(judged(stage, line), kNextHost) << name_of(stage) << ": " << line;
    }
  }
}

TEST(Judge, ARefusedLoginIsNeverAVerdictOnMail) {
  for (const char* line : {"0", "454 4.7.0 temporary failure", "535 5.7.8 wrong password",
                           "534 5.7.9 too weak", "504 mechanism unknown"}) {
    EXPECT_EQ(judged(Stage::kAuth, line), kNextHost) << line;
  }
}

TEST(Judge, AHostThatWantsTlsOrALoginIsNotTheMailsFault) {
  for (const Stage stage : kMailing) {
    EXPECT_EQ(judged(stage, "530 5.7.0 Must issue a STARTTLS command first"), kNextHost);
    EXPECT_EQ(judged(stage, "530 Authentication required"), kNextHost);
    EXPECT_EQ(judged(stage, "538 5.7.11 encryption required"), kNextHost);
  }
}

// Refusals.

TEST(Judge, A5xxToTheMailBounces) {
  for (const Stage stage : kMailing) {
    for (const char* line :
         {"550 5.1.1 no such user", "550 no such user", "551 user not local", "553 bad name",
          "554 5.6.0 bad content", "554 transaction failed", "550 5.7.1 message refused by policy",
          "550 5.7.26 unauthenticated mail", "500 unrecognized", "503 bad sequence", "555 no"}) {
      EXPECT_EQ(judged(stage, line), kBounce) << name_of(stage) << ": " << line;
    }
  }
}

TEST(Judge, A4xxToTheMailIsRetried) {
  for (const Stage stage : kMailing) {
    for (const char* line :
         {"450 mailbox busy", "451 local error", "452 storage", "432", "499", "450 4.0.0 later"}) {
      EXPECT_EQ(judged(stage, line), kRetry) << name_of(stage) << ": " << line;
    }
  }
}

// Nonsense.

TEST(Judge, AnEnhancedCodeOfAnotherClassIsNotBelieved) {
  expect_all({
      {Stage::kRecipient, "550 4.7.1 no", kBounce},
      {Stage::kRecipient, "450 5.1.1 no such user", kRetry},
      {Stage::kRecipient, "550 2.1.5 ok", kBounce},
      {Stage::kRecipient, "552 4.5.3 too many", kRetry},
  });
}

TEST(Judge, ACodeWithoutMeaningIsTransient) {
  for (const char* line :
       {"250 instead of 354", "354 again", "199", "99", "1", "600", "999", "-550 no", "5550 no"}) {
    EXPECT_EQ(judged(Stage::kData, line), kRetry) << line;
    EXPECT_EQ(judged(Stage::kGreeting, line), kNextHost) << line;
  }
  EXPECT_EQ(judged(Stage::kEndOfData, "354 go on"), kRetry);
  EXPECT_EQ(judged(Stage::kEndOfData, "199"), kRetry);
}

TEST(Judge, EveryCodeAtEveryStageHasASafeAnswer) {
  for (const Stage stage : kAll) {
    for (int code = 0; code < 1000; ++code) {
      const Judgement judgement = judge(stage, {code, {}, "x"});
      // A permanent end needs a permanent reply, a delivery a positive one.
      const bool safe = (judgement.action != Action::kBounce || code / 100 == 5) &&
                        (judgement.action != Action::kDelivered || code / 100 == 2) &&
                        judgement.effect != SiteEffect::kSlowDown;
      ASSERT_TRUE(safe) << name_of(stage) << ": " << code;
    }
  }
}

TEST(WantsNewConnection, WhereTooManyAreToldOfBeforeThereAreRecipients) {
  const Status full{452, {4, 5, 3}, "Too many recipients: Too many messages sent"};
  EXPECT_TRUE(wants_new_connection(Stage::kMail, full));
  EXPECT_FALSE(wants_new_connection(Stage::kRecipient, full));
  EXPECT_FALSE(wants_new_connection(Stage::kMail, {552, {5, 5, 3}, "too many"}));
  EXPECT_FALSE(wants_new_connection(Stage::kMail, {452, {}, "too many"}));
  EXPECT_FALSE(wants_new_connection(Stage::kMail, {451, {4, 7, 1}, "slow down"}));
  EXPECT_FALSE(wants_new_connection(Stage::kMail, {0, {4, 5, 3}, "no reply"}));
}

// What we report ourselves.

TEST(LocalStatus, HasTheCodeOfItsStage) {
  const auto code_of = [](Stage stage) { return local_status(stage, "x").enhanced.to_string(); };
  EXPECT_EQ(code_of(Stage::kRoute), "4.4.3");
  EXPECT_EQ(code_of(Stage::kConnect), "4.4.1");
  EXPECT_EQ(code_of(Stage::kStartTls), "4.7.0");
  EXPECT_EQ(code_of(Stage::kHandshake), "4.7.5");
  for (const Stage stage : {Stage::kGreeting, Stage::kHello, Stage::kAuth, Stage::kMail,
                            Stage::kRecipient, Stage::kData, Stage::kEndOfData}) {
    EXPECT_EQ(code_of(stage), "4.4.2") << name_of(stage);
  }
}

TEST(LocalStatus, KeepsTheTextAndSaysThatThereWasNoReply) {
  const Status status = local_status(Stage::kConnect, "connection refused");
  EXPECT_EQ(status.code, 0);
  EXPECT_EQ(status.to_line(), "4.4.1 connection refused");
}

}  // namespace
}  // namespace postrider::policy
