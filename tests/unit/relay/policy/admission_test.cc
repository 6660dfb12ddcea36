#include "relay/policy/admission.h"

#include <gtest/gtest.h>
#include <thread>

namespace postrider::policy {
namespace {

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

TEST(IsTrusted, OnlyWithinTheNetworks) {
  AdmissionOptions options;
  EXPECT_FALSE(is_trusted(options, ip("127.0.0.1")));
  options.trusted_networks = {Network::parse("10.0.0.0/8").value(),
                              Network::parse("2001:db8::/32").value()};
  EXPECT_TRUE(is_trusted(options, ip("10.255.0.1")));
  EXPECT_TRUE(is_trusted(options, ip("2001:db8:1::1")));
  EXPECT_TRUE(is_trusted(options, ip("::ffff:10.0.0.1")));
  EXPECT_FALSE(is_trusted(options, ip("11.0.0.1")));
  EXPECT_FALSE(is_trusted(options, ip("2001:db9::1")));
}

class ClientLedgerTest : public testing::Test {
 protected:
  ClientLedgerTest() {
    options_.connections_per_client_max = 2;
    options_.connections_max = 5;
  }

  // "" if admitted; the slot is kept.
  std::string admit(std::string_view client) {
    auto verdict = ledger_.admit(ip(client));
    EXPECT_NE(verdict.slot.has_value(), verdict.refusal.has_value());
    if (verdict.refusal) return verdict.refusal->status.to_line();
    slots_.push_back(*std::move(verdict.slot));
    return "";
  }

  AdmissionOptions options_;
  ClientLedger ledger_{options_};
  std::vector<ClientLedger::Slot> slots_;  // given back before the ledger ends
};

TEST_F(ClientLedgerTest, CountsByAddress) {
  EXPECT_EQ(admit("192.0.2.1"), "");
  EXPECT_EQ(admit("192.0.2.1"), "");
  EXPECT_EQ(admit("192.0.2.1"),
            "421 4.7.0 Too many connections from your address (2 open); close some and try again");
  EXPECT_EQ(admit("192.0.2.2"), "");
  EXPECT_EQ(ledger_.open(), 3U);
}

TEST_F(ClientLedgerTest, CountsIpv6ByNetwork) {
  EXPECT_EQ(admit("2001:db8:1:2::1"), "");
  EXPECT_EQ(admit("2001:db8:1:2:ffff:ffff:ffff:ffff"), "");
  EXPECT_EQ(admit("2001:db8:1:2:3::4"),
            "421 4.7.0 Too many connections from your network (2 open); close some and try again");
  EXPECT_EQ(admit("2001:db8:1:3::1"), "");
}

TEST_F(ClientLedgerTest, CountsTheNetworkToo) {
  options_.connections_per_network_max = 3;
  EXPECT_EQ(admit("192.0.2.1"), "");
  EXPECT_EQ(admit("192.0.2.2"), "");
  EXPECT_EQ(admit("192.0.2.255"), "");
  EXPECT_EQ(admit("192.0.2.3"),
            "421 4.7.0 Too many connections from 192.0.2.0/24 (3 open); close some and try again");
  EXPECT_EQ(admit("192.0.3.1"), "");
  slots_.erase(slots_.begin());
  EXPECT_EQ(admit("192.0.2.3"), "");
}

TEST_F(ClientLedgerTest, TheNetworksPrefixCanBeSet) {
  options_.connections_per_network_max = 1;
  options_.network_prefix_ipv4 = 31;
  options_.network_prefix_ipv6 = 36;
  EXPECT_EQ(admit("192.0.2.2"), "");
  EXPECT_NE(admit("192.0.2.3").find("192.0.2.2/31"), std::string::npos);
  EXPECT_EQ(admit("192.0.2.4"), "");
  EXPECT_EQ(admit("2001:db8:1::1"), "");
  EXPECT_NE(admit("2001:db8:fff::1").find("2001:db8::/36"), std::string::npos);
  EXPECT_EQ(admit("2001:db8:1000::1"), "");
}

TEST_F(ClientLedgerTest, AMappedAddressIsThatAddress) {
  EXPECT_EQ(admit("192.0.2.1"), "");
  EXPECT_EQ(admit("::ffff:192.0.2.1"), "");
  EXPECT_NE(admit("192.0.2.1"), "");
}

TEST_F(ClientLedgerTest, CountsAll) {
  for (const char* client : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"}) {
    EXPECT_EQ(admit(client), "");
  }
  EXPECT_EQ(admit("192.0.2.6"), "421 4.3.2 Too many connections to this server; try again later");
}

TEST_F(ClientLedgerTest, LabelsItsReasons) {
  admit("192.0.2.1");
  admit("192.0.2.1");
  EXPECT_EQ(ledger_.admit(ip("192.0.2.1")).refusal->reason, "client_connections");
  options_.connections_per_network_max = 2;
  EXPECT_EQ(ledger_.admit(ip("192.0.2.9")).refusal->reason, "network_connections");
  options_.connections_max = 2;
  EXPECT_EQ(ledger_.admit(ip("192.0.2.9")).refusal->reason, "connections");
}

TEST_F(ClientLedgerTest, ASlotIsGivenBackWhenItEnds) {
  admit("192.0.2.1");
  admit("192.0.2.1");
  slots_.pop_back();
  EXPECT_EQ(ledger_.open(), 1U);
  EXPECT_EQ(admit("192.0.2.1"), "");
  slots_.clear();
  EXPECT_EQ(ledger_.open(), 0U);
}

TEST_F(ClientLedgerTest, ARefusalTakesNothing) {
  admit("192.0.2.1");
  admit("192.0.2.1");
  admit("192.0.2.1");
  EXPECT_EQ(ledger_.open(), 2U);
}

TEST_F(ClientLedgerTest, ASlotThatMovesIsGivenBackOnce) {
  admit("192.0.2.1");
  ClientLedger::Slot moved = std::move(slots_.back());
  slots_.clear();
  EXPECT_EQ(ledger_.open(), 1U);
  ClientLedger::Slot other = *ledger_.admit(ip("192.0.2.2")).slot;
  EXPECT_EQ(ledger_.open(), 2U);
  moved = std::move(other);
  EXPECT_EQ(ledger_.open(), 1U) << "the slot that was overwritten went back";
  moved = ClientLedger::Slot();
  EXPECT_EQ(ledger_.open(), 0U);
}

TEST_F(ClientLedgerTest, FollowsALimitThatChanges) {
  admit("192.0.2.1");
  options_.connections_per_client_max = 1;
  EXPECT_NE(admit("192.0.2.1"), "");
  options_.connections_max = 0;
  EXPECT_NE(admit("192.0.2.7"), "");
}

TEST_F(ClientLedgerTest, CountsRightFromManyThreads) {
  options_.connections_per_client_max = 8;
  options_.connections_max = 100;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int n = 0; n < 2000; ++n) {
        const auto verdict =
            ledger_.admit(IpAddress::v4(0xC0000200U + static_cast<unsigned>(i % 2)));
        EXPECT_LE(ledger_.open(), 16U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ledger_.open(), 0U);
}

}  // namespace
}  // namespace postrider::policy
