#include "relay/message/headers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <tuple>

namespace postrider::message {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

HeaderScan scan(std::string_view text) {
  HeaderScan scan;
  scan.feed(text);
  return scan;
}

auto answers(const HeaderScan& scan) {
  return std::tuple(scan.received_count(), scan.has_date(), scan.has_message_id(), scan.has_from(),
                    scan.size(), scan.ended());
}

TEST(HeaderScan, FindsTheFieldsInAnyCase) {
  const auto found = scan("FROM: a@b\r\ndate: x\r\nMessage-Id: <y>\r\n\r\n");
  EXPECT_TRUE(found.has_from());
  EXPECT_TRUE(found.has_date());
  EXPECT_TRUE(found.has_message_id());
  EXPECT_EQ(found.received_count(), 0U);
}

TEST(HeaderScan, CountsReceivedFieldsOfTheHeaderOnly) {
  EXPECT_EQ(scan("Received: a\r\nX: Received: b\r\n Received: c\r\n\tReceived: d\r\nreceived:e\r\n"
                 "\r\nReceived: body\r\n")
                .received_count(),
            2U);
}

TEST(HeaderScan, BlanksBeforeTheColonDoNotHideAField) {
  EXPECT_EQ(scan("Received : a\r\nReceived \t  : b\r\n\r\n").received_count(), 2U);
  EXPECT_EQ(scan("Received" + std::string(100, ' ') + ": a\r\n\r\n").received_count(), 1U);
}

TEST(HeaderScan, OtherNamesAreNotTaken) {
  const auto found = scan(
      "Resent-Date: x\r\nDates: x\r\nDat: x\r\nRe ceived: x\r\nReceived\r\n: x\r\n"
      "Date\x80: x\r\nX-" +
      std::string(5000, 'y') + "Date: x\r\n\r\n");
  EXPECT_FALSE(found.has_date());
  EXPECT_EQ(found.received_count(), 0U);
  EXPECT_TRUE(found.ended());
}

TEST(HeaderScan, EndsAtTheEmptyLine) {
  HeaderScan found;
  EXPECT_TRUE(found.feed("From: a\r\n"));
  EXPECT_FALSE(found.feed("\r\nbody"));
  EXPECT_TRUE(found.ended());
  EXPECT_EQ(found.size(), 11U);
  EXPECT_FALSE(found.feed("Date: x\r\n"));
  EXPECT_FALSE(found.has_date());
  EXPECT_EQ(found.size(), 11U);
}

TEST(HeaderScan, AnEmptyHeaderIsOne) {
  EXPECT_TRUE(scan("\r\nDate: x\r\n").ended());
  EXPECT_EQ(scan("\r\nDate: x\r\n").size(), 2U);
}

TEST(HeaderScan, OnlyCrlfEndsALine) {
  EXPECT_FALSE(scan("From: a\n\nDate: x\r\n").ended());
  EXPECT_FALSE(scan("From: a\n\nDate: x\r\n").has_date());
  EXPECT_FALSE(scan("From: a\r\n\n\r\n").ended());
  EXPECT_FALSE(scan("From: a\r\n\r\r\n").ended());
  EXPECT_FALSE(scan("From: a\r\n \r\n").ended());
  EXPECT_FALSE(scan("From: a\r\r\rDate: x\r\n").has_date());
}

TEST(HeaderScan, AnySplitGivesTheSameAnswers) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 generator(seed);
  constexpr std::string_view kPieces[] = {
      "\r",       "\n",          "\r\n",  "\r\n",
      "\r\n",     ":",           " ",     "\t",
      "Received", "Received:",   "Date:", "from",
      ": x",      "Message-ID:", "\x80",  "long-long-long-long-name-long"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (std::size_t n = generator() % 25; n > 0; --n) {
      text += kPieces[generator() % std::size(kPieces)];
    }
    HeaderScan parts;
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t length = std::min<std::size_t>(generator() % 6, rest.size());
      parts.feed(rest.substr(0, length));
      rest.remove_prefix(length);
    }
    ASSERT_EQ(answers(parts), answers(scan(text))) << ::testing::PrintToString(text);
  }
}

TraceFacts facts() {
  TraceFacts facts;
  facts.helo = "client.example";
  facts.client = *IpAddress::parse("192.0.2.7");
  facts.by = "relay.example";
  facts.protocol = "ESMTPSA";
  facts.tls = "TLSv1.3 TLS_AES_256_GCM_SHA384";
  facts.id = "00112233445566778899aabbccddeeff";
  facts.when = WallTime(Milliseconds(1795299303123));
  return facts;
}

std::string unfolded(std::string text) {
  for (std::size_t i = text.find("\r\n "); i != std::string::npos; i = text.find("\r\n ")) {
    text.erase(i, 2);
  }
  return text;
}

TEST(ReceivedField, SaysWhoSentWhatAndWhen) {
  EXPECT_EQ(unfolded(received_field(facts())),
            "Received: from client.example ([192.0.2.7]) by relay.example with ESMTPSA"
            " (TLSv1.3 TLS_AES_256_GCM_SHA384) id 00112233445566778899aabbccddeeff; " +
                to_rfc5322(facts().when) + "\r\n");
}

TEST(ReceivedField, HasAClauseForThePriority) {
  TraceFacts prior = facts();
  prior.priority = -3;
  EXPECT_THAT(unfolded(received_field(prior)),
              HasSubstr(" id 00112233445566778899aabbccddeeff PRIORITY -3; "));
}

TEST(ReceivedField, FoldsAt78Columns) {
  std::string text = received_field(facts());
  EXPECT_THAT(text, EndsWith("\r\n"));
  std::size_t lines = 0;
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");
    EXPECT_LE(end, 78U) << text;
    text.erase(0, end + 2);
    ++lines;
  }
  EXPECT_EQ(lines, 3U);
}

TEST(ReceivedField, LeavesTlsOutWithoutTls) {
  TraceFacts plain = facts();
  plain.tls = "";
  EXPECT_THAT(unfolded(received_field(plain)), HasSubstr("with ESMTPSA id 0011"));
}

TEST(ReceivedField, ForeignTextCannotForgeAnything) {
  TraceFacts hostile = facts();
  hostile.helo = "x)\r\nFrom: you@bank.example\r\n (\xff\x01;\"\\";
  const std::string text = received_field(hostile);
  EXPECT_THAT(text, StartsWith("Received: from x???From??you?bank.example???"));
  EXPECT_THAT(unfolded(text), HasSubstr("????? ([192.0.2.7]) by"));
  EXPECT_THAT(text, Not(HasSubstr("\r\nFrom")));
}

TEST(ReceivedField, TakesLiteralsAndCutsWhatIsLong) {
  TraceFacts odd = facts();
  odd.helo = "[IPv6:2001:db8::1]";
  odd.client = *IpAddress::parse("2001:db8::1");
  EXPECT_THAT(unfolded(received_field(odd)),
              HasSubstr("from [IPv6:2001:db8::1] ([IPv6:2001:db8::1]) by"));
  odd.helo = "[IPv6:2001:db8::1";
  EXPECT_THAT(received_field(odd), HasSubstr("from ?IPv6?2001?db8??1"));
  odd.helo = "";
  EXPECT_THAT(unfolded(received_field(odd)), HasSubstr("from [IPv6:2001:db8::1] ("));
  const std::string endless(5000, 'x');
  odd.helo = endless;
  EXPECT_LT(received_field(odd).size(), 600U);
  EXPECT_THAT(received_field(odd), StartsWith("Received: from xxx"));
}

Body body_of(std::initializer_list<const char*> chunks) {
  Body body;
  for (const char* chunk : chunks) body.append(Chunk(std::string(chunk)));
  return body;
}

TEST(HeaderSection, GoesToTheEmptyLineAcrossChunks) {
  const Body body = body_of({"From: a\r", "\nTo: b\r\n\r", "\nbody\r\n", "more\r\n"});
  EXPECT_EQ(header_section(body, 1000), "From: a\r\nTo: b\r\n\r\n");
  EXPECT_EQ(header_section(body, 18), "From: a\r\nTo: b\r\n\r\n");
}

TEST(HeaderSection, IsCutAtALineEnd) {
  const Body body = body_of({"From: a\r\nTo", ": b\r\n\r\nbody"});
  EXPECT_EQ(header_section(body, 17), "From: a\r\nTo: b\r\n");
  EXPECT_EQ(header_section(body, 16), "From: a\r\nTo: b\r\n");
  EXPECT_EQ(header_section(body, 15), "From: a\r\n");
  EXPECT_EQ(header_section(body, 11), "From: a\r\n");
  EXPECT_EQ(header_section(body, 8), "");
  EXPECT_EQ(header_section(body, 0), "");
}

TEST(HeaderSection, WithoutAnEmptyLineIsEverything) {
  EXPECT_EQ(header_section(body_of({"From: a\r\n", "To: b\r\n"}), 1000), "From: a\r\nTo: b\r\n");
  EXPECT_EQ(header_section(Body(), 1000), "");
}

}  // namespace
}  // namespace postrider::message
