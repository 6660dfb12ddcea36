#include "relay/message/envelope.h"

#include <gtest/gtest.h>

namespace postrider::message {
namespace {

TEST(Recipient, WantsFailureReportsUnlessToldOtherwise) {
  EXPECT_TRUE(Recipient{}.wants_failure_report());
  EXPECT_TRUE(Recipient{.notify = kNotifyFailure}.wants_failure_report());
  EXPECT_TRUE((Recipient{.notify = kNotifyFailure | kNotifyDelay}.wants_failure_report()));
  EXPECT_FALSE(Recipient{.notify = kNotifyNever}.wants_failure_report());
  EXPECT_FALSE((Recipient{.notify = kNotifySuccess | kNotifyDelay}.wants_failure_report()));
}

}  // namespace
}  // namespace postrider::message
