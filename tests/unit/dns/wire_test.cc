#include "dns/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

#include "relay/base/ascii.h"
#include "tests/unit/dns/scripted_server.h"

namespace postrider::dns {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Question kMxQuestion{"example.org", QueryType::kMx};
const Question kAQuestion{"example.org", QueryType::kA};

// A pointer to the name in the question.
const std::string kQuestionName = be16(0xc000 | 12);

class WireTest : public ::testing::Test {
 protected:
  std::string query(const Question& question = kMxQuestion, bool edns = true) {
    return build_query(question, 0x1234, edns, random_).value();
  }

  // A packet that answers `query`, with these sections behind the question.
  static std::string packet(const std::string& query, unsigned rcode,
                            const std::vector<std::string>& answers,
                            const std::vector<std::string>& authority = {},
                            const std::vector<std::string>& additional = {}) {
    const std::size_t end = query.find('\0', 12) + 5;
    std::string packet = query.substr(0, 2) + '\x81' + static_cast<char>(0x80 | rcode) + be16(1) +
                         be16(static_cast<unsigned>(answers.size())) +
                         be16(static_cast<unsigned>(authority.size())) +
                         be16(static_cast<unsigned>(additional.size())) +
                         query.substr(12, end - 12);
    for (const auto* section : {&answers, &authority, &additional}) {
      for (const std::string& entry : *section) packet += entry;
    }
    return packet;
  }

  Answer read(const std::vector<std::string>& answers, unsigned rcode = 0,
              const std::vector<std::string>& authority = {},
              const std::vector<std::string>& additional = {},
              const Question& question = kMxQuestion) {
    const std::string asked = query(question);
    return read_answer(packet(asked, rcode, answers, authority, additional), asked).answer;
  }

  // An MX record whose host is these octets.
  static std::string mx_with_name(const std::string& octets) {
    return record("example.org", 15, 60, be16(10) + octets);
  }

  SeededRandom random_{1};
};

TEST_F(WireTest, QueriesSayWhatTheyShould) {
  const std::string asked = query();
  EXPECT_EQ(asked.substr(0, 12), std::string("\x12\x34\x01\x20\0\x01\0\0\0\0\0\x01", 12));
  EXPECT_EQ(ascii::lower(asked.substr(12, 13)), wire_name("example.org"));
  EXPECT_EQ(asked.substr(25),
            be16(15) + be16(1) + std::string(1, '\0') + be16(41) + be16(1232) + be32(0) + be16(0));
  EXPECT_EQ(query(kMxQuestion, false).size(), asked.size() - 11);
}

TEST_F(WireTest, TheCaseOfAQueryVaries) {
  const std::string first = query();
  int different = 0;
  for (int i = 0; i < 20; ++i) different += query() == first ? 0 : 1;
  EXPECT_GT(different, 10);
}

TEST_F(WireTest, OnlyHostNamesAreAskedFor) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  for (const std::string& good : {std::string("a"), std::string("_x.b-c.1"), longest}) {
    EXPECT_TRUE(build_query({good, QueryType::kA}, 1, true, random_)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("."), std::string("a."), std::string(".a"), std::string("a..b"),
        std::string("a b"), std::string("a\\032b"), std::string("a\0b", 3), std::string("*.a"),
        label + "a", longest + "a"}) {
    EXPECT_FALSE(build_query({bad, QueryType::kA}, 1, true, random_)) << bad;
  }
}

TEST_F(WireTest, ReadsMxRecords) {
  const Answer answer =
      read({mx("example.org", 10, "MX1.example.org", 300), mx("EXAMPLE.org", 20, "mx2.x", 200)});
  ASSERT_EQ(answer.outcome, Outcome::kFound);
  ASSERT_EQ(answer.mx.size(), 2U);
  EXPECT_EQ(answer.mx[0].host, "mx1.example.org");
  EXPECT_EQ(answer.mx[1].preference, 20);
  EXPECT_EQ(answer.ttl, Seconds(200));
}

TEST_F(WireTest, ReadsAddressesOfTheTypeAskedFor) {
  const Answer v4 =
      read({address("example.org", "192.0.2.1"), address("example.org", "2001:db8::1"),
            address("example.org", "192.0.2.1")},
           0, {}, {}, kAQuestion);
  EXPECT_THAT(v4.addresses, ElementsAre(IpAddress::parse("192.0.2.1").value()));
  const Answer v6 =
      read({address("example.org", "2001:db8::1")}, 0, {}, {}, {"example.org", QueryType::kAaaa});
  EXPECT_THAT(v6.addresses, ElementsAre(IpAddress::parse("2001:db8::1").value()));
}

TEST_F(WireTest, RecordsOfOtherNamesOrClassesDoNotCount) {
  std::string chaos = mx("example.org", 1, "mx.example");
  chaos[wire_name("example.org").size() + 3] = 3;
  EXPECT_EQ(read({mx("evil.example", 1, "mx.evil.example"), chaos}).outcome, Outcome::kNoData);
}

TEST_F(WireTest, FollowsAliasesInAnyOrder) {
  const Answer answer =
      read({mx("c.x", 1, "mx.x", 50), cname("b.x", "c.x", 40), cname("example.org", "b.x", 30)});
  ASSERT_EQ(answer.outcome, Outcome::kFound);
  EXPECT_EQ(answer.ttl, Seconds(30));
}

TEST_F(WireTest, AnAliasThatLeadsNowhereIsNoData) {
  EXPECT_EQ(read({cname("example.org", "b.x")}).outcome, Outcome::kNoData);
  EXPECT_EQ(read({cname("example.org", "b.x")}, 3).outcome, Outcome::kNoDomain);
}

TEST_F(WireTest, AliasLoopsAndEndlessChainsFail) {
  EXPECT_FALSE(is_definite(read({cname("example.org", "example.org")}).outcome));
  std::vector<std::string> chain = {cname("example.org", "h0.x")};
  for (unsigned i = 0; i < kAliasesMax + 5; ++i) {
    chain.push_back(cname("h" + std::to_string(i) + ".x", "h" + std::to_string(i + 1) + ".x"));
  }
  EXPECT_FALSE(is_definite(read(chain).outcome));
}

TEST_F(WireTest, CodesBecomeOutcomes) {
  EXPECT_EQ(read({}, 0).outcome, Outcome::kNoData);
  EXPECT_EQ(read({}, 1).outcome, Outcome::kNotUnderstood);
  EXPECT_EQ(read({}, 2).outcome, Outcome::kServerFailure);
  EXPECT_EQ(read({}, 3).outcome, Outcome::kNoDomain);
  EXPECT_EQ(read({}, 4).outcome, Outcome::kNotUnderstood);
  EXPECT_EQ(read({}, 5).outcome, Outcome::kRefused);
  EXPECT_EQ(read({}, 9).outcome, Outcome::kServerFailure);
}

TEST_F(WireTest, TheUpperBitsOfACodeCount) {
  const std::string opt = std::string(1, '\0') + be16(41) + be16(1232) + be32(1U << 24) + be16(0);
  EXPECT_EQ(read({}, 0, {}, {opt}).outcome, Outcome::kNotUnderstood);
  EXPECT_EQ(read({}, 3, {}, {opt}).outcome, Outcome::kServerFailure);
}

TEST_F(WireTest, RecordsWithNxdomainContradictThemselves) {
  EXPECT_EQ(read({mx("example.org", 1, "mx.x")}, 3).outcome, Outcome::kMalformed);
}

TEST_F(WireTest, NegativeAnswersLastAsTheZoneSays) {
  EXPECT_EQ(read({}, 3, {soa(100, 60)}).ttl, Seconds(60));
  EXPECT_EQ(read({}, 0, {soa(30, 60)}).ttl, Seconds(30));
  EXPECT_EQ(read({}, 3).ttl, Seconds(0));
  EXPECT_EQ(read({cname("example.org", "b.x", 7)}, 3, {soa(100, 60)}).ttl, Seconds(7));
}

TEST_F(WireTest, NegativeTtlsCountAsZero) {
  EXPECT_EQ(read({mx("example.org", 1, "mx.x", 0x80000000)}).ttl, Seconds(0));
  EXPECT_EQ(read({mx("example.org", 1, "mx.x", 0x7fffffff)}).ttl, Seconds(0x7fffffff));
}

TEST_F(WireTest, LargeSetsAreCutToTheBest) {
  std::vector<std::string> records;
  for (unsigned i = 1000; i > 0; --i) records.push_back(mx("example.org", i, "mx.x"));
  const Answer answer = read(records);
  ASSERT_EQ(answer.mx.size(), kMxKeptMax);
  EXPECT_EQ(answer.mx.front().preference, 1);
  std::vector<std::string> addresses;
  for (unsigned i = 1; i < 250; ++i) {
    addresses.push_back(address("example.org", "192.0.2." + std::to_string(i)));
  }
  EXPECT_EQ(read(addresses, 0, {}, {}, kAQuestion).addresses.size(), kAddressesKeptMax);
}

TEST_F(WireTest, WhatAnswersAnotherQueryIsMalformed) {
  const std::string asked = query();
  const std::string good = packet(asked, 0, {mx("example.org", 1, "mx.x")});
  ASSERT_EQ(read_answer(good, asked).answer.outcome, Outcome::kFound);
  for (const std::size_t place : {0U, 1U, 2U, 5U, 14U, 26U, 28U}) {
    std::string bad = good;
    // Id, direction and opcode, count of questions, a letter, type, class.
    bad[place] = static_cast<char>(bad[place] ^ (place == 14 ? 0x01 : 0x85));
    EXPECT_EQ(read_answer(bad, asked).answer.outcome, Outcome::kMalformed) << place;
  }
}

TEST_F(WireTest, ReadsWhetherTheServerHasValidated) {
  const std::string asked = query();
  std::string answer = packet(asked, 0, {mx("example.org", 1, "mx.x")});
  answer[3] = static_cast<char>(answer[3] & ~0x20);
  EXPECT_FALSE(read_answer(answer, asked).answer.authentic);
  answer[3] = static_cast<char>(answer[3] | 0x20);
  const Reading reading = read_answer(answer, asked);
  EXPECT_EQ(reading.answer.outcome, Outcome::kFound);
  EXPECT_TRUE(reading.answer.authentic);
}

TEST_F(WireTest, AChangedCaseIsTold) {
  const std::string asked = query();
  std::string folded = packet(asked, 0, {mx("example.org", 1, "mx.x")});
  EXPECT_FALSE(read_answer(folded, asked).case_changed);
  folded[13] = static_cast<char>(folded[13] ^ 0x20);
  const Reading reading = read_answer(folded, asked);
  EXPECT_TRUE(reading.case_changed);
  EXPECT_EQ(reading.answer.outcome, Outcome::kFound);
}

TEST_F(WireTest, ATruncatedAnswerIsNotRead) {
  const std::string asked = query();
  std::string cut = packet(asked, 0, {mx("example.org", 1, "mx.x")});
  cut[2] = static_cast<char>(cut[2] | 0x02);
  const Reading reading = read_answer(cut, asked);
  EXPECT_TRUE(reading.truncated);
  EXPECT_THAT(reading.answer.mx, IsEmpty());
}

TEST_F(WireTest, CompressedNamesAreExpanded) {
  const std::string compressed =
      kQuestionName + be16(15) + be16(1) + be32(60) + be16(7) + be16(10) + "\x02mx" + kQuestionName;
  const Answer answer = read({compressed});
  ASSERT_EQ(answer.outcome, Outcome::kFound);
  EXPECT_EQ(answer.mx[0].host, "mx.example.org");
}

TEST_F(WireTest, PointersThatDoNotGoBackAreMalformed) {
  const std::size_t name_at = query(kMxQuestion, false).size() + wire_name("example.org").size() +
                              12;  // of the host in the first record
  const auto at = static_cast<unsigned>(name_at);
  for (const unsigned target : {at, at + 1, at + 100, 0x3fffU}) {
    EXPECT_EQ(read({mx_with_name(be16(0xc000 | target))}).outcome, Outcome::kMalformed) << target;
  }
  // A label before the pointer that leads to it.
  EXPECT_EQ(read({mx_with_name("\x01"
                               "a" +
                               be16(0xc000 | at))})
                .outcome,
            Outcome::kMalformed);
}

TEST_F(WireTest, BadLabelsAndNamesAreMalformed) {
  EXPECT_EQ(read({mx_with_name("\x40" + std::string(64, 'a') + '\0')}).outcome,
            Outcome::kMalformed);
  EXPECT_EQ(read({mx_with_name("\x05"
                               "abc")})
                .outcome,
            Outcome::kMalformed);
  std::string long_name;
  for (int i = 0; i < 128; ++i)
    long_name +=
        "\x01"
        "a";
  EXPECT_EQ(read({mx_with_name(long_name + '\0')}).outcome, Outcome::kMalformed);
  EXPECT_EQ(read({mx_with_name(long_name.substr(0, 254) + '\0')}).outcome, Outcome::kFound);
}

TEST_F(WireTest, DataThatIsNotAsLongAsItSaysIsMalformed) {
  EXPECT_EQ(read({record("example.org", 15, 1, be16(1) + wire_name("mx.x") + "x")}).outcome,
            Outcome::kMalformed);
  EXPECT_EQ(read({record("example.org", 15, 1, "\x01")}).outcome, Outcome::kMalformed);
  for (const std::size_t size : {0U, 3U, 5U, 16U}) {
    EXPECT_EQ(
        read({record("example.org", 1, 1, std::string(size, 'x'))}, 0, {}, {}, kAQuestion).outcome,
        Outcome::kMalformed)
        << size;
  }
}

TEST_F(WireTest, OctetsThatAreNoneOfAHostAreShownAndNotAskedFor) {
  const Answer answer =
      read({mx_with_name(std::string("\x03"
                                     "a.b\x02\0\xff\0",
                                     8))});
  ASSERT_EQ(answer.outcome, Outcome::kFound);
  EXPECT_EQ(answer.mx[0].host, "a\\046b.\\000\\255");
  EXPECT_FALSE(build_query({answer.mx[0].host, QueryType::kA}, 1, true, random_));
}

TEST_F(WireTest, NoPrefixOfAnAnswerIsTakenForIt) {
  const std::string asked = query();
  const std::string good = packet(asked, 0, {mx("example.org", 1, "mx1.x"), cname("a.x", "b.x")},
                                  {soa(1, 1)}, {address("mx1.x", "192.0.2.1")});
  ASSERT_EQ(read_answer(good, asked).answer.outcome, Outcome::kFound);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(read_answer(good.substr(0, size), asked).answer.outcome, Outcome::kMalformed) << size;
  }
}

TEST_F(WireTest, AlteredAnswersNeverBreakTheReader) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 engine(seed);
  const std::string asked = query();
  const std::string good =
      packet(asked, 0, {cname("example.org", "a.x"), mx("a.x", 1, "mx1.x"), mx("a.x", 2, "mx2.x")},
             {soa(1, 1)}, {address("mx1.x", "192.0.2.1")});
  for (int round = 0; round < 20'000; ++round) {
    std::string bad = good;
    for (unsigned changes = 1 + engine() % 4; changes > 0; --changes) {
      bad[12 + engine() % (bad.size() - 12)] = static_cast<char>(engine());
    }
    const Answer answer = read_answer(bad, asked).answer;
    ASSERT_LE(answer.mx.size(), 2U);
    ASSERT_EQ(answer.outcome == Outcome::kFound, !answer.mx.empty());
  }
}

}  // namespace
}  // namespace postrider::dns
