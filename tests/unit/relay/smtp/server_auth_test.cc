#include <gmock/gmock.h>

#include "tests/unit/relay/smtp/server_fixture.h"

namespace postrider::smtp {
namespace {

using testing::Contains;
using testing::StartsWith;

using ServerAuthTest = ServerFixture;

TEST_F(ServerAuthTest, CredentialsAreAskedForOnce) {
  options.mode = ListenerMode::kSubmissions;
  hello();
  answers = false;
  EXPECT_EQ(client("AUTH PLAIN AGFsaWNlAHNlY3JldA=="), "");
  EXPECT_EQ(asked, "PLAIN alice secret");
  EXPECT_FALSE(session().authenticated());
  answer({235, {2, 7, 0}, "Ok"});
  EXPECT_TRUE(session().authenticated());
  EXPECT_EQ(session().user(), "alice");
}

TEST_F(ServerAuthTest, FailedCredentialsLeaveNoUser) {
  options.mode = ListenerMode::kSubmissions;
  hello();
  answers = false;
  client("AUTH LOGIN YWxpY2U=");
  client("eA==");
  EXPECT_EQ(asked, "LOGIN alice x");
  EXPECT_THAT(answer({535, {5, 7, 8}, "No"}), StartsWith("535 5.7.8"));
  EXPECT_EQ(session().user(), "");
  EXPECT_THAT(refusals, Contains("auth_failed 535"));
}

TEST_F(ServerAuthTest, ATemporaryFailureIsNoFailedAttempt) {
  options.mode = ListenerMode::kSubmissions;
  options.auth_failures_max = 1;
  hello();
  answers = false;
  client("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
  answer({454, {4, 7, 0}, "Later"});
  EXPECT_FALSE(closed());
  client("AUTH PLAIN AGFsaWNlAHNlY3JldA==");
  EXPECT_THAT(answer({535, {5, 7, 8}, "No"}), testing::HasSubstr("\r\n421 4.7.0"));
  EXPECT_EQ(close_reason, "auth_failures");
}

TEST_F(ServerAuthTest, AResponseThatNeverEndsIsTimedOut) {
  options.mode = ListenerMode::kSubmissions;
  hello();
  EXPECT_EQ(client("AUTH PLAIN"), "334 \r\n");
  raw("AGFs");
  EXPECT_EQ(session().deadline(), now + options.command_deadline);
  EXPECT_THAT(advance(options.command_deadline), StartsWith("421 4.4.2"));
}

TEST_F(ServerAuthTest, TheExchangeKeepsNothingWhenCancelled) {
  options.mode = ListenerMode::kSubmissions;
  hello();
  client("AUTH LOGIN YWxpY2U=");
  EXPECT_THAT(client("*"), StartsWith("501 5.7.0"));
  EXPECT_EQ(session().user(), "");
  EXPECT_EQ(asked, "");
}

}  // namespace
}  // namespace postrider::smtp
