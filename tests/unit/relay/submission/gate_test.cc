#include "relay/submission/gate.h"

#include <gmock/gmock.h>
#include <mutex>

#include "relay/base/log.h"
#include "relay/submission/receiver.h"

namespace postrider::submission {
namespace {

using metrics::Metric;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<std::string>& lines() {
  static std::vector<std::string> all;
  return all;
}

class GateTest : public ::testing::Test {
 protected:
  GateTest() {
    options_.trusted_networks = {*Network::parse("192.0.2.0/24")};
    listener_.options.mode = smtp::ListenerMode::kTrusted;
    lines().clear();
    log::set_sink([](std::string_view line) { lines().emplace_back(line); });
  }

  ~GateTest() override { log::set_sink(nullptr); }

  // "" if admitted: the entry is kept.
  std::string admit(const std::string& client) {
    Entry entry = gate_.admit({*IpAddress::parse(client), 1000}, listener_);
    if (entry.refusal) return entry.refusal->to_line();
    entries_.push_back(std::move(entry));
    return "";
  }

  std::uint64_t refused(std::string_view reason) {
    return metrics_.counter(Metric::kConnectionsRefused, reason).value();
  }

  policy::AdmissionOptions options_;
  metrics::Registry metrics_;
  SystemClock clock_;
  Listener listener_;
  Gate gate_{options_, metrics_, clock_};
  std::vector<Entry> entries_;
};

TEST_F(GateTest, StrangersStayOutsideATrustedListener) {
  EXPECT_EQ(admit("192.0.2.1"), "");
  EXPECT_EQ(admit("198.51.100.1"), "554 5.7.1 Your address is not in the trusted networks");
  EXPECT_EQ(refused("untrusted"), 1U);
  listener_.options.mode = smtp::ListenerMode::kSubmission;
  EXPECT_EQ(admit("198.51.100.1"), "");
  EXPECT_EQ(gate_.open(), 2U);
}

TEST_F(GateTest, AListenerHasALimitOfItsOwn) {
  listener_.options.connections_max = 2;
  EXPECT_EQ(admit("192.0.2.1"), "");
  EXPECT_EQ(admit("192.0.2.2"), "");
  EXPECT_EQ(admit("192.0.2.3"),
            "421 4.3.2 Too many connections to this listener (2); try again later");
  EXPECT_EQ(refused("listener_connections"), 1U);
  EXPECT_EQ(gate_.open(), 2U);
  Listener other;
  EXPECT_FALSE(gate_.admit({*IpAddress::parse("192.0.2.1"), 1}, other).refusal);
  entries_.clear();
  EXPECT_EQ(admit("192.0.2.3"), "");
}

// It counts as its balancer's where addresses mean no trust.
TEST_F(GateTest, WhoseClientIsNotNamedStaysOutsideATrustedListener) {
  const Endpoint balancer{*IpAddress::parse("192.0.2.1"), 1000};
  const Entry refused_entry = gate_.admit_unnamed(balancer, listener_);
  ASSERT_TRUE(refused_entry.refusal);
  EXPECT_EQ(refused_entry.refusal->to_line(),
            "554 5.7.1 The load balancer does not say who you are");
  EXPECT_EQ(refused("untrusted"), 1U);
  listener_.options.mode = smtp::ListenerMode::kSubmission;
  options_.connections_per_client_max = 1;
  const Entry entry = gate_.admit_unnamed(balancer, listener_);
  EXPECT_FALSE(entry.refusal);
  EXPECT_THAT(admit("192.0.2.1"), HasSubstr("421 4.7.0 Too many connections from your address"));
}

// Nothing is kept of a refused one.
TEST_F(GateTest, ARefusalGivesTheSeatBack) {
  listener_.options.connections_max = 2;
  options_.connections_per_client_max = 1;
  EXPECT_EQ(admit("192.0.2.1"), "");
  EXPECT_THAT(admit("192.0.2.1"), HasSubstr("421 4.7.0 Too many connections from your address"));
  EXPECT_EQ(listener_.seats.taken(), 1U);
  EXPECT_EQ(refused("client_connections"), 1U);
}

TEST_F(GateTest, SaysOnceWhatItRefusesInABurst) {
  for (int i = 0; i < 100; ++i) admit("198.51.100.1");
  EXPECT_EQ(refused("untrusted"), 100U);
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_THAT(lines()[0], AllOf(HasSubstr("connection refused: untrusted"),
                                HasSubstr("peer=198.51.100.1:1000"), HasSubstr("unsaid_before=0")));
}

}  // namespace
}  // namespace postrider::submission
