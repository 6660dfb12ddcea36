#include "relay/policy/login_guard.h"

#include <gtest/gtest.h>

namespace postrider::policy {
namespace {

class LoginGuardTest : public testing::Test {
 protected:
  LoginGuardTest() { options_.failures_free = 3; }

  void fail(unsigned times, const IpAddress& client, const std::string& user) {
    for (unsigned i = 0; i < times; ++i) guard_.failed(client, user, now_);
  }

  // Seconds to wait; 0: none.
  long wait(const IpAddress& client, const std::string& user) {
    const auto wait = guard_.wait(client, user, now_);
    return wait ? std::chrono::duration_cast<Seconds>(wait->left).count() : 0;
  }

  LoginGuardOptions options_;
  LoginGuard guard_{options_};
  TimePoint now_{std::chrono::hours(100)};
  const IpAddress here_ = *IpAddress::parse("192.0.2.1");
  const IpAddress there_ = *IpAddress::parse("192.0.2.2");
};

TEST_F(LoginGuardTest, AFewFailuresAreFree) {
  fail(3, here_, "a");
  EXPECT_EQ(wait(here_, "a"), 0);
  fail(1, here_, "a");
  EXPECT_EQ(wait(here_, "a"), 5);
  EXPECT_EQ(guard_.wait(here_, "a", now_)->whose, LoginGuard::Whose::kClient);
}

TEST_F(LoginGuardTest, TheWaitDoublesUpToItsLimit) {
  fail(5, here_, "a");
  EXPECT_EQ(wait(here_, "a"), 10);
  now_ += Seconds(10);
  EXPECT_EQ(wait(here_, "a"), 0);
  fail(1, here_, "a");
  EXPECT_EQ(wait(here_, "a"), 20);
  fail(100, here_, "a");
  EXPECT_EQ(wait(here_, "a"), 900);
}

TEST_F(LoginGuardTest, GuessingFromManyAddressesIsCountedByUser) {
  fail(2, here_, "a");
  fail(2, there_, "a");
  const auto found = guard_.wait(*IpAddress::parse("192.0.2.3"), "a", now_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->whose, LoginGuard::Whose::kUser);
  EXPECT_EQ(wait(there_, "b"), 0);
}

TEST_F(LoginGuardTest, StrangersDoNotLockAUserOut) {
  guard_.succeeded(here_, "a", now_);
  fail(100, there_, "a");
  EXPECT_EQ(wait(here_, "a"), 0);
  EXPECT_NE(wait(there_, "a"), 0);
}

TEST_F(LoginGuardTest, ASuccessForgivesTheClientButNotTheUser) {
  fail(3, here_, "a");
  guard_.succeeded(here_, "a", now_);
  fail(3, here_, "");
  EXPECT_EQ(wait(here_, "b"), 0);
  fail(1, there_, "a");
  EXPECT_EQ(guard_.wait(*IpAddress::parse("192.0.2.3"), "a", now_)->whose,
            LoginGuard::Whose::kUser);
}

// Whoever has one account cannot guess at others between logins with it.
TEST_F(LoginGuardTest, ASuccessForgivesNothingThatWasTriedOnOthers) {
  for (int i = 0; i < 2; ++i) {
    fail(2, here_, "victim" + std::to_string(i));
    fail(1, here_, "own");
    now_ += Seconds(900);
    guard_.succeeded(here_, "own", now_);
  }
  EXPECT_EQ(wait(here_, "own"), 0);
  fail(1, here_, "other");
  EXPECT_EQ(wait(here_, "own"), 10);  // the fifth on others, of which three were free
}

// Whoever shares an address with a busy application cannot guess its password between its logins.
TEST_F(LoginGuardTest, OnlySoManyFailuresAreForgiven) {
  int tried = 0;
  for (int i = 0; i < 150; ++i) {
    if (wait(here_, "a") == 0) guard_.succeeded(here_, "a", now_);
    if (wait(here_, "a") != 0) continue;
    fail(1, here_, "a");
    ++tried;
  }
  EXPECT_EQ(tried, 7);  // three are free, three are forgiven, one more has to wait
  EXPECT_EQ(guard_.wait(here_, "a", now_)->whose, LoginGuard::Whose::kClient);
}

TEST_F(LoginGuardTest, AWaitIsNotForgivenWithoutItsCause) {
  fail(8, here_, "a");
  EXPECT_EQ(wait(here_, "a"), 80);
  guard_.succeeded(here_, "a", now_);  // of a login that began before
  EXPECT_EQ(wait(here_, "a"), 80);
}

// People mistype today as they did yesterday.
TEST_F(LoginGuardTest, AMemoryLaterAsManyAreForgivenAgain) {
  for (int day = 0; day < 5; ++day) {
    fail(3, here_, "a");
    EXPECT_EQ(wait(here_, "a"), 0) << day;
    guard_.succeeded(here_, "a", now_);
    now_ += options_.memory;
  }
}

TEST_F(LoginGuardTest, AnIpv6HostIsItsNetwork) {
  fail(4, *IpAddress::parse("2001:db8::1"), "");
  EXPECT_NE(wait(*IpAddress::parse("2001:db8::2"), ""), 0);
  EXPECT_EQ(wait(*IpAddress::parse("2001:db8:0:1::1"), ""), 0);
}

TEST_F(LoginGuardTest, ForgetsInTheEnd) {
  fail(3, here_, "a");
  now_ += options_.memory;
  EXPECT_EQ(wait(here_, "a"), 0);
  now_ += options_.memory;
  fail(1, here_, "a");
  EXPECT_EQ(wait(here_, "a"), 0);
}

TEST_F(LoginGuardTest, CanBeOff) {
  options_.failures_free = 0;
  fail(100, here_, "a");
  EXPECT_EQ(wait(here_, "a"), 0);
  guard_.succeeded(here_, "a", now_);
  EXPECT_TRUE(guard_.has_logged_in(here_, "a", now_));
}

TEST_F(LoginGuardTest, KnowsWhoHasLoggedInAsWhom) {
  guard_.succeeded(here_, "a", now_);
  EXPECT_TRUE(guard_.has_logged_in(here_, "a", now_));
  EXPECT_FALSE(guard_.has_logged_in(here_, "b", now_));
  EXPECT_FALSE(guard_.has_logged_in(there_, "a", now_));
  fail(1, there_, "a");
  EXPECT_FALSE(guard_.has_logged_in(there_, "a", now_));
  now_ += options_.memory;
  EXPECT_TRUE(guard_.has_logged_in(here_, "a", now_));
  now_ += options_.memory;
  EXPECT_FALSE(guard_.has_logged_in(here_, "a", now_));
}

TEST_F(LoginGuardTest, NoNumberOfGuessesMakesItForgetThat) {
  guard_.succeeded(here_, "a", now_);
  for (std::size_t i = 0; i < 2 * LoginGuard::kEntriesMax; ++i) {
    guard_.failed(there_, "u" + std::to_string(i), now_);
  }
  fail(100, there_, "a");
  EXPECT_EQ(wait(here_, "a"), 0);
  EXPECT_TRUE(guard_.has_logged_in(here_, "a", now_));
}

TEST_F(LoginGuardTest, ManyNamesPushNobodyOutOfMemoryAtOnce) {
  fail(4, here_, "a");
  for (std::size_t i = 0; i < LoginGuard::kEntriesMax / 2; ++i) {
    guard_.failed(there_, "u" + std::to_string(i), now_);
  }
  EXPECT_NE(wait(here_, "a"), 0);
}

}  // namespace
}  // namespace postrider::policy
