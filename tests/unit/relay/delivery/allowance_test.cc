#include "relay/delivery/allowance.h"

#include <gtest/gtest.h>

namespace postrider::delivery {
namespace {

class Someone : public Sharer {
 public:
  explicit Someone(Allowance& allowance) : allowance_(allowance) {}

  void on_place() override { ++told; }

  bool give_way() override {
    if (idle == 0) return false;
    --idle;
    allowance_.closed(*this);
    return true;
  }

  // Opens a connection if it may.
  bool open() {
    if (!allowance_.has_place(*this)) return false;
    allowance_.opened(*this, {});
    return true;
  }

  int told = 0;
  int idle = 0;

 private:
  Allowance& allowance_;
};

policy::Limits limits(std::size_t connections) {
  policy::Limits limits;
  limits.connections_max.value = connections;
  return limits;
}

class AllowanceTest : public testing::Test {
 protected:
  Allowance allowance_{limits(2)};
  Someone a_{allowance_};
  Someone b_{allowance_};
  Someone c_{allowance_};
};

TEST_F(AllowanceTest, GivesNoMorePlacesThanThereAre) {
  EXPECT_TRUE(a_.open());
  EXPECT_TRUE(b_.open());
  EXPECT_FALSE(a_.open());
  EXPECT_FALSE(c_.open());
  EXPECT_EQ(allowance_.connections(), 2U);
}

TEST_F(AllowanceTest, TheFirstInLineIsToldAndNobodyPassesIt) {
  a_.open();
  a_.open();
  EXPECT_FALSE(b_.open());
  EXPECT_FALSE(c_.open());
  allowance_.closed(a_);
  EXPECT_EQ(b_.told, 1);
  EXPECT_EQ(c_.told, 0);
  EXPECT_FALSE(a_.open());
  EXPECT_FALSE(c_.open());
  EXPECT_TRUE(b_.open());
  EXPECT_EQ(c_.told, 0);
  allowance_.closed(a_);
  EXPECT_EQ(c_.told, 1);
}

TEST_F(AllowanceTest, WhoLeavesTheLineMakesWayForTheNext) {
  a_.open();
  a_.open();
  b_.open();
  c_.open();
  allowance_.closed(a_);
  allowance_.leave_line(b_);
  EXPECT_EQ(c_.told, 1);
  EXPECT_TRUE(c_.open());
}

TEST_F(AllowanceTest, AnIdleConnectionMakesWay) {
  a_.open();
  b_.open();
  b_.idle = 1;
  EXPECT_FALSE(c_.open());
  EXPECT_EQ(c_.told, 1);
  EXPECT_TRUE(c_.open());
}

TEST_F(AllowanceTest, MoreThanAnEvenShareIsGivenUpWhereOthersWait) {
  a_.open();
  a_.open();
  EXPECT_FALSE(allowance_.is_above_share(a_, 2));
  EXPECT_FALSE(allowance_.others_wait(a_));
  b_.open();
  EXPECT_TRUE(allowance_.others_wait(a_));
  EXPECT_TRUE(allowance_.is_above_share(a_, 2));
  EXPECT_FALSE(allowance_.is_above_share(a_, 1));
}

TEST_F(AllowanceTest, CountsMessagesAndConnections) {
  policy::Limits some = limits(10);
  some.message_rate.value = {1, Seconds(10)};
  some.connection_rate.value = {1, Seconds(60)};
  Allowance allowance(some);
  const TimePoint now{Seconds(100)};
  EXPECT_TRUE(allowance.is_fresh(now));
  allowance.opened(a_, now);
  EXPECT_GT(allowance.open_at(), now + Seconds(59));
  EXPECT_LE(allowance.send_at(), now);
  allowance.sent(now);
  EXPECT_GT(allowance.send_at(), now + Seconds(9));
  EXPECT_GE(allowance.appoint(3, now), now + Seconds(39));
  EXPECT_FALSE(allowance.is_fresh(now + Seconds(70)));
  allowance.closed(a_);
  EXPECT_FALSE(allowance.is_fresh(now + Seconds(30)));
  EXPECT_TRUE(allowance.is_fresh(now + Seconds(70)));
}

}  // namespace
}  // namespace postrider::delivery
