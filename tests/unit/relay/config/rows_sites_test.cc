#include <gtest/gtest.h>

#include "tests/unit/relay/config/coverage.h"
#include "tests/unit/relay/config/load_text.h"

namespace postrider::config {
namespace {

using Problems = std::vector<std::string>;

// Every member of an entry, its limits included, has a row.
template <class Entry>
void expect_covered(Entry* Record::*member) {
  Entry entry;
  Record record;
  record.*member = &entry;
  EXPECT_EQ(members_without_row(entry, record, {nested(entry.limits)}), 0);
  EXPECT_EQ(members_without_row(entry.limits, record), 0);
}

TEST(RowsSites, EveryMemberHasARow) {
  expect_covered(&Record::provider);
  expect_covered(&Record::site);
  expect_covered(&Record::source);
}

TEST(RowsSites, EveryMemberOfAReplyHasARow) {
  delivery::ReplyOptions reply;
  Record record;
  record.reply = &reply;
  EXPECT_EQ(members_without_row(reply, record, {nested(reply.rule)}), 0);
  EXPECT_EQ(members_without_row(reply.rule, record), 0);
}

TEST(RowsSites, ARuleOfAProvider) {
  const LoadResult loaded = load(std::string(R"([[provider]]
name = "big"
mx = [".MX.big.example", "mail.big.example"]
connections_max = 5
messages_per_connection_max = 20
recipients_per_transaction_max = 10
message_rate = "600/m"
connection_rate = "none"
queue_rate = "1/30s"
)") + kRest);
  ASSERT_TRUE(loaded.problems.empty()) << loaded.problems.front().what;
  const auto& all = loaded.config.delivery.providers;
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all[0].name, "big");
  EXPECT_EQ(all[0].mx, (std::vector<std::string>{".mx.big.example", "mail.big.example"}));
  EXPECT_EQ(all[0].limits.connections_max, 5U);
  EXPECT_EQ(all[0].limits.messages_per_connection_max, 20U);
  EXPECT_EQ(all[0].limits.recipients_per_transaction_max, 10U);
  EXPECT_EQ(all[0].limits.message_rate, (policy::Rate{600, Seconds(60)}));
  EXPECT_EQ(all[0].limits.connection_rate, policy::Rate());
  EXPECT_EQ(all[0].limits.queue_rate, (policy::Rate{1, Seconds(30)}));
}

TEST(RowsSites, WhatIsLeftOutIsUnsaid) {
  const LoadResult loaded =
      load(std::string("[[site]]\ndomain = \"B\u00fccher.Example\"\n") + kRest);
  ASSERT_TRUE(loaded.problems.empty()) << loaded.problems.front().what;
  const delivery::SiteOptions& site = loaded.config.delivery.sites.at(0);
  EXPECT_EQ(site.domain, "xn--bcher-kva.example");
  EXPECT_EQ(site.limits.connections_max, 0U);
  EXPECT_FALSE(site.limits.message_rate);
}

TEST(RowsSites, RefusesWhatIsNoRule) {
  EXPECT_EQ(problems_of(std::string(R"([[provider]]
mx = ["."]
[[provider]]
name = "p"
[[provider]]
name = "p"
mx = ["a.example"]
message_rate = "10/x"
)") + kRest),
            (Problems{"1: provider: name is missing; every [[provider]] needs one",
                      "2: provider.mx: '.' is not a host name",
                      "3: provider.mx: missing; say by which mail hosts the provider is known",
                      "6: provider.name: 'p' is there twice",
                      "8: provider.message_rate: '10/x' is not a rate like \"100/s\", \"10/m\", "
                      "\"1/30s\" or \"none\" (units s, m, h, d; at most seven days)"}));
}

TEST(RowsSites, ASiteIsADomainOrHosts) {
  EXPECT_EQ(problems_of(std::string(R"([[site]]
connections_max = 1
[[site]]
domain = "a.example"
mx = ".b.example"
[[site]]
domain = "c.example"
[[site]]
domain = "C.example"
)") + kRest),
            (Problems{"1: site: needs domain or mx", "3: site: has domain and mx; one is enough",
                      "9: site.domain: 'c.example' is there twice"}));
}

TEST(RowsSites, ASourceHasAnAddressOfItsOwn) {
  EXPECT_EQ(problems_of(std::string(R"([[source]]
name = "a"
[[source]]
name = "b"
ipv4 = "192.0.2.1"
[[source]]
name = "c"
ipv4 = "192.0.2.1"
ipv6 = "2001:db8::1"
weight = 0
)") + kRest),
            (Problems{"1: source: needs ipv4 or ipv6",
                      "8: source.ipv4: 192.0.2.1 belongs to another source already",
                      "10: source.weight: 0 is out of range: 1 to 1000"}));
}

}  // namespace
}  // namespace postrider::config
