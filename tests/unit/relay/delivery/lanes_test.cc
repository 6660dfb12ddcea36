#include "relay/delivery/lanes.h"

#include <future>
#include <gmock/gmock.h>
#include <thread>

#include "tests/unit/relay/delivery/delivery_fixture.h"

namespace postrider::delivery {
namespace {

using message::Stage;
using metrics::Metric;

// The test's loop is the site's; the lane's has a thread, as a worker has.
class LanesTest : public DeliveryTest, public ChannelOwner {
 protected:
  ~LanesTest() override {
    channel_.reset();
    held_ = {};
    if (!lanes_) return;
    cut_off();
    lane_loop_->stop();
    thread_.join();
    lanes_.reset();
  }

  void on_idle(Channel&) override { ++idle_; }

  void on_leaving(Channel&) override { ++leaving_; }

  void on_carried(Channel&, const Carried& carried) override {
    verdicts_ += carried.verdict ? 1 : 0;
  }

  void on_turned_away(Channel&, Parcel parcel, std::vector<smtp::RecipientResult> results,
                      AttemptFacts facts) override {
    held_ = std::move(parcel.lease);
    turned_away_by_ = facts.ip;
    EXPECT_EQ(results.size(), 1U);
  }

  void on_untouched(Channel&, Parcel parcel) override {
    held_ = std::move(parcel.lease);
    order_ += "untouched ";
  }

  void on_closed_by_peer(unsigned messages, Duration) override { closed_after_ = messages; }

  void on_ended(Channel& channel, const std::optional<smtp::Ended>& met) override {
    met_ = met;
    last_target_ = channel.target();
    order_ += "ended ";
    channel_.reset();  // from within its own call
  }

  void dial() {
    open();
    lanes_ = std::make_unique<Lanes>(*shared_, *lane_loop_);
    thread_ = std::thread([this] { lane_loop_->run(); });
    ChannelOptions terms{"mx.example",
                         &shared_->routes.mail_hosts(),
                         shared_->sources.pool("").front(),
                         &shared_->destinations.replies({"mx.example"}),
                         options_.recipients_per_transaction_max,
                         std::make_shared<TlsSessions>()};
    const Target target{"mx.example", *IpAddress::parse("127.0.0.1")};
    channel_ = lanes_->make_channel(*loop_, *this, std::move(terms), {target});
    channel_->open();
  }

  bool run_until_idle(int times = 1) {
    return run_until([&] { return idle_ == times || !channel_; }) && channel_;
  }

  bool run_until_ended() {
    return run_until([&] { return !channel_; });
  }

  void carry() { channel_->carry({a_lease(), {}}, 100); }

  void cut_off() {
    std::promise<void> done;
    lane_loop_->post([&] {
      lanes_->cut_off();
      done.set_value();
    });
    done.get_future().wait();
  }

  std::unique_ptr<event::Loop> lane_loop_ = *event::Loop::create();
  std::unique_ptr<Lanes> lanes_;
  std::thread thread_;
  int idle_ = 0;
  int leaving_ = 0;
  int verdicts_ = 0;
  std::string order_;
  std::string turned_away_by_;
  unsigned closed_after_ = 0;
  std::optional<smtp::Ended> met_;
  Target last_target_;
  queue::Lease held_;
  std::unique_ptr<Channel> channel_;
};

TEST_F(LanesTest, CarriesOneDeliveryAfterAnother) {
  add_host();
  dial();
  EXPECT_FALSE(channel_->ready());
  ASSERT_TRUE(run_until_idle());
  EXPECT_TRUE(channel_->ready());
  EXPECT_TRUE(channel_->idle());
  EXPECT_EQ(channel_->target().host, "mx.example");
  carry();
  EXPECT_FALSE(channel_->idle());
  ASSERT_TRUE(run_until_idle(2));
  carry();
  ASSERT_TRUE(run_until_idle(3));
  EXPECT_EQ(channel_->carried(), 2U);
  EXPECT_EQ(verdicts_, 2);
  EXPECT_EQ(counted(Metric::kLaneDeliveries), 2U);
  EXPECT_TRUE(run_until_queue_holds(0));
  channel_->quit();
  EXPECT_TRUE(channel_->leaving());
  ASSERT_TRUE(run_until_ended());
  EXPECT_FALSE(met_);
  EXPECT_EQ(host_->connections, 1U);
}

TEST_F(LanesTest, TellsWhatTheLastAddressMet) {
  add_host().replies[""] = "554 5.3.2 No service";
  dial();
  ASSERT_TRUE(run_until_ended());
  ASSERT_TRUE(met_);
  EXPECT_EQ(met_->stage, Stage::kGreeting);
  EXPECT_EQ(last_target_.ip.to_string(), "127.0.0.1");
}

TEST_F(LanesTest, WhatAHostTurnsAwayComesBack) {
  add_host().replies["MAIL"] = kClose;
  dial();
  ASSERT_TRUE(run_until_idle());
  carry();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(turned_away_by_, "127.0.0.1");
  EXPECT_TRUE(held_.valid());
}

TEST_F(LanesTest, TellsThatItsTimeIsUp) {
  add_host().replies["QUIT"] = kSilence;
  options_.idle_timeout = Milliseconds(20);
  options_.timeouts.quit = Seconds(20);
  dial();
  ASSERT_TRUE(run_until_idle());
  ASSERT_TRUE(run_until([this] { return channel_->leaving(); }));
  EXPECT_FALSE(channel_->idle());
}

// The report that it is idle and the word that it is to end cross.
TEST_F(LanesTest, RetiredWhileItBecomesIdleItQuits) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  carry();
  // The lane's half is idle again, and its report still waits to be read here.
  ASSERT_TRUE(run_until([this] { return host_->messages.size() == 1; }));
  while (gauge(Metric::kConnectionsOutIdle) == 0) std::this_thread::yield();
  channel_->retire();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(idle_, 1);
}

// The connection has ended, and the site does not know it yet.
TEST_F(LanesTest, AParcelThatCrossesTheEndComesBackBeforeTheEndIsTold) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  queue::Lease lease = a_lease();
  host_->say_to_all("421 4.3.2 Shutting down");
  while (gauge(Metric::kConnectionsOutOpen) > 0) std::this_thread::yield();
  ASSERT_TRUE(channel_->idle());
  channel_->carry({std::move(lease), {}}, 100);
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(order_, "untouched ended ");
  EXPECT_TRUE(held_.valid());
}

TEST_F(LanesTest, TellsThatThePeerHasClosed) {
  add_host().closes_after = 1;
  dial();
  ASSERT_TRUE(run_until_idle());
  carry();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(closed_after_, 1U);
}

TEST_F(LanesTest, RetiredItQuitsAfterTheTransaction) {
  add_host();
  dial();
  ASSERT_TRUE(run_until_idle());
  carry();
  channel_->retire();
  ASSERT_TRUE(run_until_ended());
  EXPECT_EQ(idle_, 1);
  EXPECT_EQ(host_->commands.back(), "QUIT");
}

TEST_F(LanesTest, DestroyedItCutsTheConnectionAndGivesTheLeaseBack) {
  add_host().replies["."] = kSilence;
  dial();
  ASSERT_TRUE(run_until_idle());
  carry();
  ASSERT_TRUE(run_until([&] { return !host_->messages.empty(); }));
  channel_.reset();
  EXPECT_EQ(take_lease().attempts(), 0U);
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
}

TEST_F(LanesTest, CutOffItGivesBackWhatItCarriesAndWhatComesLater) {
  add_host().replies["."] = kSilence;
  dial();
  ASSERT_TRUE(run_until_idle());
  carry();
  ASSERT_TRUE(run_until([&] { return !host_->messages.empty(); }));
  cut_off();
  EXPECT_EQ(gauge(Metric::kConnectionsOutOpen), 0);
  queue::Lease again = take_lease();
  channel_->carry({std::move(again), {}}, 100);
  EXPECT_EQ(take_lease().attempts(), 0U);
}

}  // namespace
}  // namespace postrider::delivery
