#include "bench/sim/dns_zone.h"

#include <gmock/gmock.h>

namespace postrider::bench {
namespace {

using testing::HasSubstr;

std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8U), static_cast<char>(value & 0xFFU)};
}

std::string wire_name(std::string_view name) {
  std::string wire;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    wire += static_cast<char>(label.size());
    wire += label;
    name.remove_prefix(std::min(label.size() + 1, name.size()));
  }
  return wire + '\0';
}

std::string query(std::string_view name, unsigned type, unsigned edns_size = 0) {
  std::string out = u16(0x1234) + u16(0x0100) + u16(1) + u16(0) + u16(0) + u16(edns_size ? 1 : 0);
  out += wire_name(name) + u16(type) + u16(1);
  if (edns_size > 0)
    out += std::string(1, '\0') + u16(41) + u16(edns_size) + u16(0) + u16(0) + u16(0);
  return out;
}

constexpr unsigned kMx = 15;
constexpr unsigned kA = 1;
constexpr unsigned kAaaa = 28;

// What a client would make of an answer.
struct Answer {
  unsigned code = 99;
  bool truncated = false;
  unsigned answers = 0;
  unsigned authorities = 0;
  std::string wire;
};

class DnsZoneTest : public testing::Test {
 protected:
  explicit DnsZoneTest(std::string_view rules =
                           "a.test mx=127.0.0.2,127.0.0.3 ttl=7\n"
                           "null.test dns=nullmx\nnx.test dns=nxdomain\nfail.test dns=servfail\n"
                           "slow.test dns=timeout\nnomx.test mx=127.0.0.4 dns=nomx\n"
                           "nodata.test mx=127.0.0.4 dns=nodata\n"
                           "tcp.test mx=127.0.0.4 dns=truncate\nsix.test mx=::1\n"
                           "refused.test dns=refused\ndamaged.test mx=127.0.0.4 dns=damaged\n"
                           "noedns.test mx=127.0.0.4 dns=noedns\n"
                           "alias.test mx=127.0.0.4 dns=alias\nloop.test dns=aliasloop\n")
      : book_(*RuleBook::build(*parse_rule_text(rules, "test"))) {}

  std::optional<Answer> ask(const std::string& message,
                            DnsTransport transport = DnsTransport::kUdp) {
    std::string unreadable;
    const auto question = parse_dns_query(message, unreadable);
    if (!question) return std::nullopt;
    const auto reply = answer_dns(*question, transport, book_);
    if (!reply) return std::nullopt;
    return read(write_dns_reply(*question, *reply,
                                transport == DnsTransport::kUdp ? question->udp_size : 65535));
  }

  static Answer read(const std::string& wire) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(wire[i]); };
    EXPECT_EQ(wire.substr(0, 2), u16(0x1234));
    EXPECT_TRUE(at(2) & 0x80U);
    return {at(3) & 0x0FU, (at(2) & 0x02U) != 0, at(7), at(9), wire};
  }

  RuleBook book_;
};

TEST_F(DnsZoneTest, MxRecordsPointToHostsOfTheDomain) {
  const auto answer = ask(query("A.test", kMx));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->code, 0U);
  EXPECT_EQ(answer->answers, 2U);
  const std::string first = u16(0xC00C) + u16(kMx) + u16(1) + u16(0) + u16(7) + u16(8) + u16(10) +
                            "\x03mx1" + u16(0xC00C);
  EXPECT_THAT(answer->wire, HasSubstr(first));
  EXPECT_THAT(answer->wire, HasSubstr(u16(20) + "\x03mx2"));
}

TEST_F(DnsZoneTest, HostsHaveAddresses) {
  const auto answer = ask(query("mx2.a.test", kA));
  EXPECT_EQ(answer->answers, 1U);
  EXPECT_TRUE(answer->wire.ends_with(std::string("\x00\x04\x7F\x00\x00\x03", 6)));
  EXPECT_EQ(ask(query("mx1.six.test", kAaaa))->answers, 1U);
  EXPECT_EQ(ask(query("mx1.six.test", kA))->answers, 0U);
}

TEST_F(DnsZoneTest, AbsenceCarriesASoa) {
  const auto no_data = ask(query("mx1.a.test", kAaaa));
  EXPECT_EQ(no_data->code, 0U);
  EXPECT_EQ(no_data->answers, 0U);
  EXPECT_EQ(no_data->authorities, 1U);
  const auto unknown = ask(query("unknown.test", kMx));
  EXPECT_EQ(unknown->code, 3U);
  EXPECT_EQ(unknown->authorities, 1U);
}

TEST_F(DnsZoneTest, FaultsOfRules) {
  EXPECT_EQ(ask(query("nx.test", kMx))->code, 3U);
  EXPECT_EQ(ask(query("fail.test", kMx))->code, 2U);
  EXPECT_FALSE(ask(query("slow.test", kMx)));
  EXPECT_EQ(ask(query("nodata.test", kA))->answers, 0U);
  EXPECT_EQ(ask(query("refused.test", kMx))->code, 5U);
  const auto null_mx = ask(query("null.test", kMx));
  EXPECT_EQ(null_mx->answers, 1U);
  EXPECT_TRUE(null_mx->wire.ends_with(std::string("\x00\x03\x00\x00\x00", 5)));
}

TEST_F(DnsZoneTest, AnAnswerMayLackARecordThatItCounts) {
  const auto damaged = ask(query("damaged.test", kMx));
  EXPECT_EQ(damaged->answers, 2U);
  EXPECT_TRUE(damaged->wire.ends_with(std::string("\x03mx1\xC0\x0C")));
}

TEST_F(DnsZoneTest, EdnsMayBeUnknown) {
  EXPECT_EQ(ask(query("noedns.test", kMx, 1232))->code, 1U);
  EXPECT_EQ(ask(query("noedns.test", kMx))->answers, 1U);
}

TEST_F(DnsZoneTest, NamesMayBeAliases) {
  for (const auto& [name, type] : {std::pair("alias.test", kMx), std::pair("mx1.alias.test", kA)}) {
    const auto answer = ask(query(name, type));
    EXPECT_EQ(answer->answers, 2U);
    EXPECT_THAT(answer->wire, HasSubstr(std::string("\x05") + "alias\xC0\x0C"));
  }
  EXPECT_EQ(ask(query("loop.test", kMx))->answers, 2U);
}

TEST_F(DnsZoneTest, WithoutMxTheDomainItselfHasAnAddress) {
  EXPECT_EQ(ask(query("nomx.test", kMx))->answers, 0U);
  EXPECT_EQ(ask(query("nomx.test", kA))->answers, 1U);
  EXPECT_EQ(ask(query("a.test", kA))->answers, 0U);
}

TEST_F(DnsZoneTest, TruncatesOverUdpOnly) {
  const auto udp = ask(query("tcp.test", kMx));
  EXPECT_TRUE(udp->truncated);
  EXPECT_EQ(udp->answers, 0U);
  const auto tcp = ask(query("tcp.test", kMx), DnsTransport::kTcp);
  EXPECT_FALSE(tcp->truncated);
  EXPECT_EQ(tcp->answers, 1U);
}

TEST_F(DnsZoneTest, LongAnswersFitTheAskersSize) {
  std::string line = "many.test mx=127.0.0.2";
  for (int i = 0; i < 40; ++i) line += ",127.0.0.2";
  book_ = *RuleBook::build(*parse_rule_text(line, "test"));
  EXPECT_TRUE(ask(query("many.test", kMx))->truncated);
  const auto large = ask(query("many.test", kMx, 4096));
  EXPECT_FALSE(large->truncated);
  EXPECT_EQ(large->answers, 41U);
  EXPECT_EQ(ask(query("many.test", kMx), DnsTransport::kTcp)->answers, 41U);
}

TEST(DnsMessage, AnswersWhatItCannotRead) {
  std::string unreadable;
  std::string broken = query("a.test", kMx);
  broken.resize(broken.size() - 3);
  EXPECT_FALSE(parse_dns_query(broken, unreadable));
  EXPECT_EQ(unreadable.at(3), 1);  // FORMERR
  std::string update = query("a.test", kMx);
  update[2] = 0x28;
  EXPECT_FALSE(parse_dns_query(update, unreadable));
  EXPECT_EQ(unreadable.at(3), 4);  // NOTIMP
}

TEST(DnsMessage, KeepsSilentTowardsAnswersAndRubbish) {
  std::string unreadable;
  std::string answer = query("a.test", kMx);
  answer[2] = static_cast<char>(0x80);
  EXPECT_FALSE(parse_dns_query(answer, unreadable));
  EXPECT_EQ(unreadable, "");
  EXPECT_FALSE(parse_dns_query("short", unreadable));
  EXPECT_EQ(unreadable, "");
}

TEST(DnsMessage, NoPrefixOfAQueryHarms) {
  const std::string whole = query("some.name.test", kMx, 1232);
  std::string unreadable;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto question = parse_dns_query(std::string(whole, 0, size), unreadable);
    EXPECT_EQ(question ? question->name : "some.name.test", "some.name.test");
  }
}

}  // namespace
}  // namespace postrider::bench
