#include "relay/smtp/reply.h"

#include <gtest/gtest.h>
#include <string>

namespace postrider::smtp {
namespace {

using message::Status;

std::string written(const Status& status) {
  std::string out;
  append_reply(out, status);
  return out;
}

struct Read {
  ReplyVerdict verdict = ReplyVerdict::kIncomplete;
  Status status;
};

Read read(std::string_view text, std::size_t piece = 1000) {
  ReplyParser parser(5, 60);
  while (!text.empty()) {
    std::string_view part = text.substr(0, piece);
    text.remove_prefix(part.size());
    const ReplyVerdict verdict = parser.read(part);
    if (verdict != ReplyVerdict::kIncomplete) return {verdict, parser.status()};
  }
  return {};
}

TEST(AppendReply, EveryLineHasBothCodes) {
  EXPECT_EQ(written({250, {2, 1, 0}, "Ok"}), "250 2.1.0 Ok\r\n");
  EXPECT_EQ(written({550, {5, 7, 1}, "One\nTwo"}), "550-5.7.1 One\r\n550 5.7.1 Two\r\n");
}

TEST(AppendReply, TheEnhancedCodeIsOfTheRepliesClass) {
  EXPECT_EQ(written({250, {}, "Ok"}), "250 2.0.0 Ok\r\n");
  EXPECT_EQ(written({450, {5, 2, 1}, "Later"}), "450 4.2.1 Later\r\n");
}

TEST(AppendReply, IntermediateRepliesHaveNone) {
  EXPECT_EQ(written({354, {}, "Go"}), "354 Go\r\n");
  std::string out;
  append_plain_reply(out, 250, "host\nSIZE");
  EXPECT_EQ(out, "250-host\r\n250 SIZE\r\n");
}

TEST(AppendReply, OnlyPrintableAsciiInLinesOfBoundedLength) {
  EXPECT_EQ(written({550, {5, 0, 0}, "a\rb\x1b\xff"}), "550 5.0.0 a?b??\r\n");
  EXPECT_EQ(written({550, {5, 0, 0}, std::string(2000, 'x')}).size(), 512U);
}

TEST(AppendReply, AChallengeIsWhole) {
  std::string out;
  append_challenge(out, "abc");
  append_challenge(out, "");
  append_challenge(out, std::string(3000, 'r'));
  EXPECT_EQ(out.substr(0, 18), "334 YWJj\r\n334 \r\n33");
  EXPECT_EQ(out.size(), 10 + 6 + 4 + 4000 + 2);
}

TEST(ReplyParser, OneLineAndSeveral) {
  EXPECT_EQ(read("250 2.0.0 Ok\r\n").status, (Status{250, {2, 0, 0}, "Ok"}));
  EXPECT_EQ(read("550-5.1.1 a\r\n550-5.1.1 b\r\n550 5.1.1 c\r\n").status,
            (Status{550, {5, 1, 1}, "a\nb\nc"}));
  EXPECT_EQ(read("354\r\n").status, (Status{354, {}, ""}));
  EXPECT_EQ(read("250-\r\n250 \r\n").status, (Status{250, {}, "\n"}));
}

TEST(ReplyParser, PiecesDoNotMatter) {
  for (std::size_t piece = 1; piece < 12; ++piece) {
    EXPECT_EQ(read("550-5.1.1 a\r\n550 5.1.1 b\r\n", piece).status,
              (Status{550, {5, 1, 1}, "a\nb"}));
  }
}

TEST(ReplyParser, EnhancedCodesOfAnotherClassAreText) {
  EXPECT_EQ(read("550 4.1.1 x\r\n").status, (Status{550, {}, "4.1.1 x"}));
  EXPECT_EQ(read("220 2.example\r\n").status, (Status{220, {}, "2.example"}));
}

TEST(ReplyParser, TakesOneReplyAtATime) {
  ReplyParser parser(5, 60);
  std::string_view input = "250 a\r\n550 b\r\n";
  ASSERT_EQ(parser.read(input), ReplyVerdict::kComplete);
  EXPECT_EQ(parser.code(), 250);
  EXPECT_EQ(input, "550 b\r\n");
  EXPECT_FALSE(parser.in_reply());
  ASSERT_EQ(parser.read(input), ReplyVerdict::kComplete);
  EXPECT_EQ(parser.code(), 550);
}

TEST(ReplyParser, BareLfEndsALineAndStrayCrIsMarked) {
  EXPECT_EQ(read("250-a\n250 b\rc\n").status, (Status{250, {}, "a\nb?c"}));
}

TEST(ReplyParser, WhatIsNoReply) {
  for (const char* text : {"\r\n", "25\r\n", "abc def\r\n", "150 x\r\n", "650 x\r\n", "2500 x\r\n",
                           "250x\r\n", "250-a\r\n251 b\r\n"}) {
    EXPECT_EQ(read(text).verdict, ReplyVerdict::kMalformed) << text;
  }
}

TEST(ReplyParser, Limits) {
  EXPECT_EQ(read("250 " + std::string(57, 'x')).verdict, ReplyVerdict::kTooLong);
  EXPECT_EQ(read("250 " + std::string(55, 'x') + "\r\n").verdict, ReplyVerdict::kComplete);
  EXPECT_EQ(read("250-\r\n250-\r\n250-\r\n250-\r\n250-\r\n250-\r\n").verdict,
            ReplyVerdict::kTooLong);
}

TEST(ReplyParser, TheStatusTextIsCut) {
  ReplyParser parser(100, 2048);
  std::string text;
  for (int i = 0; i < 50; ++i) text += "250-" + std::string(2000, 'x') + "\r\n";
  text += "250 end\r\n";
  std::string_view input = text;
  ASSERT_EQ(parser.read(input), ReplyVerdict::kComplete);
  EXPECT_EQ(parser.status().text.size(), message::kStatusTextMax);
}

}  // namespace
}  // namespace postrider::smtp
