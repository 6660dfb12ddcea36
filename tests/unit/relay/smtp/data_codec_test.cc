#include "relay/smtp/data_codec.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>
#include <string>

namespace postrider::smtp {
namespace {

constexpr std::size_t kLineMax = 1000;

struct Decoded {
  std::string text;
  std::string rest;
  bool ended = false;
  std::uint8_t defects = 0;
};

Decoded decode(std::string_view input, std::size_t piece = 1U << 20U) {
  DataDecoder decoder(kLineMax);
  Decoded out;
  while (!input.empty() && !decoder.ended()) {
    std::string_view part = input.substr(0, piece);
    input.remove_prefix(part.size());
    while (!part.empty() && !decoder.ended()) out.text += decoder.take(part);
    if (decoder.ended()) out.rest = std::string(part) + std::string(input);
  }
  out.ended = decoder.ended();
  out.defects = decoder.defects();
  return out;
}

std::string encode(const message::Body& body) {
  const auto chunks = encode_data(body);
  if (!chunks) return "(none)";
  std::string wire;
  for (const Chunk& chunk : *chunks) wire += chunk.view();
  return wire;
}

TEST(DataDecoder, EndsAtCrlfDotCrlfAndTakesNothingBehindIt) {
  for (std::size_t piece = 1; piece < 20; ++piece) {
    const Decoded out = decode("a\r\n..b\r\n.c\r\n.\r\nQUIT\r\n", piece);
    EXPECT_TRUE(out.ended);
    EXPECT_EQ(out.text, "a\r\n.b\r\nc\r\n");
    EXPECT_EQ(out.rest, "QUIT\r\n");
    EXPECT_EQ(out.defects, 0);
  }
}

TEST(DataDecoder, ALoneDotIsAnEmptyText) {
  EXPECT_TRUE(decode(".\r\n").ended);
  EXPECT_EQ(decode(".\r\n").text, "");
}

// Sequences that some server somewhere took for the end.
TEST(DataDecoder, NothingElseEndsAText) {
  const std::string_view look_alikes[] = {
      "x\n.\n",         "x\n.\r\n",     "x\r\n.\n",   "x\r.\r",     "x\r\n.\r",     "x\r.\r\n",
      "x\r\r\n.\r\r\n", "x\r\n.\r\r\n", "x\n\n.\n\n", "x\n\r.\n\r", "x\r\n.\n\r\n", "x\n..\n",
  };
  for (const std::string_view text : look_alikes) {
    for (const std::size_t piece : {100U, 1U, 2U}) {
      const Decoded out = decode(text, piece);
      EXPECT_FALSE(out.ended) << text;
      // A CR at the very end of the input may yet get its LF.
      if (text == "x\r\n.\r") continue;
      EXPECT_NE(out.defects, 0) << text;
    }
  }
}

TEST(DataDecoder, NamesTheDefect) {
  EXPECT_EQ(decode("a\nb\r\n.\r\n").defects, kDefectBareLf);
  EXPECT_EQ(decode("a\rb\r\n.\r\n").defects, kDefectBareCr);
  EXPECT_EQ(decode(std::string_view("a\0b\r\n.\r\n", 8)).defects, kDefectNul);
  EXPECT_EQ(decode(std::string(999, 'x') + "\r\n.\r\n").defects, kDefectLongLine);
  EXPECT_EQ(decode(std::string(998, 'x') + "\r\n.\r\n").defects, 0);
  EXPECT_EQ(decode("." + std::string(998, 'x') + "\r\n.\r\n").defects, 0);
}

TEST(DataDecoder, TextComesInLargeViewsOfTheInput) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "seventy characters or so make up an ordinary line\r\n";
  DataDecoder decoder(kLineMax);
  std::string_view rest = text;
  const std::string_view part = decoder.take(rest);
  EXPECT_EQ(part.data(), text.data());
  EXPECT_EQ(part.size(), text.size());
}

TEST(TextCheck, ACrLastOfAllIsBare) {
  TextCheck check(kLineMax);
  check.feed("a\r");
  EXPECT_EQ(check.defects(), 0);
  check.finish();
  EXPECT_EQ(check.defects(), kDefectBareCr);
}

TEST(EncodeData, StuffsDotsAndEndsTheText) {
  EXPECT_EQ(encode(message::Body("a\r\n")), "a\r\n.\r\n");
  EXPECT_EQ(encode(message::Body("")), ".\r\n");
  EXPECT_EQ(encode(message::Body("a")), "a\r\n.\r\n");
  EXPECT_EQ(encode(message::Body(".\r\n..\r\na.b\r\n.c\r\n")), "..\r\n...\r\na.b\r\n..c\r\n.\r\n");
}

TEST(EncodeData, ALineMayBeginInAnotherChunk) {
  message::Body body;
  for (const char c : std::string("a\r\n.b\r\n.")) body.append(Chunk(std::string(1, c)));
  EXPECT_EQ(encode(body), "a\r\n..b\r\n..\r\n.\r\n");
}

TEST(EncodeData, BareLineEndsNeverLeave) {
  for (const std::string text : {"a\nb\r\n", "a\rb\r\n", "a\r", "\n", "a\r\r\n"}) {
    EXPECT_FALSE(encode_data(message::Body(text)).has_value());
  }
}

TEST(EncodeBdat, SaysHowLongTheTextIsAndLeavesItAsItIs) {
  const auto joined = [](const std::string& text) {
    std::string all;
    const auto chunks = encode_bdat(message::Body(text));
    for (const Chunk& chunk : chunks.value()) all += chunk.view();
    return all;
  };
  EXPECT_EQ(joined("a\r\n.b\r\n"), "BDAT 7 LAST\r\na\r\n.b\r\n");
  EXPECT_EQ(joined("a"), "BDAT 3 LAST\r\na\r\n");
  EXPECT_EQ(joined(""), "BDAT 0 LAST\r\n");
}

TEST(EncodeBdat, BareLineEndsNeverLeave) {
  for (const std::string text : {"a\nb\r\n", "a\rb\r\n", "a\r", "\n", "a\r\r\n"}) {
    EXPECT_FALSE(encode_bdat(message::Body(text)).has_value());
  }
}

TEST(EncodeData, LongRunsAreNotCopied) {
  const std::string line(300, 'x');
  const Chunk chunk(line + "\r\n." + line + "\r\n");
  message::Body body;
  body.append(chunk);
  const auto chunks = encode_data(body);
  ASSERT_TRUE(chunks.has_value());
  ASSERT_EQ(chunks->size(), 4U);
  EXPECT_EQ((*chunks)[0].view().data(), chunk.view().data());
  EXPECT_EQ((*chunks)[2].view().data(), chunk.view().data() + 302);
}

TEST(EncodeData, AHostileBodyDoesNotMakeEndlessSlices) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += ".\r\n";
  const auto chunks = encode_data(message::Body(text));
  ASSERT_TRUE(chunks.has_value());
  EXPECT_LT(chunks->size(), 20U);
  EXPECT_EQ(decode(encode(message::Body(text))).text, text);
}

// Of `text` in pieces of so many octets; "(none)" where it must not be ended.
std::string encode_in_pieces(std::string_view text, std::size_t size, bool bdat,
                             const TextFacts& facts) {
  TextEncoder encoder(facts, bdat);
  std::string wire;
  while (!encoder.done()) {
    const auto chunks = encoder.encode(message::Body(std::string(text.substr(0, size))));
    if (!chunks) return "(none)";
    for (const Chunk& chunk : *chunks) wire += chunk.view();
    text.remove_prefix(std::min(size, text.size()));
  }
  return wire;
}

TextFacts facts_of(std::string_view text, std::size_t size) {
  TextSurvey survey;
  while (!text.empty()) {
    survey.feed(message::Body(std::string(text.substr(0, size))));
    text.remove_prefix(std::min(size, text.size()));
  }
  return survey.finish();
}

TEST(TextSurvey, FindsOutWhatCountsWhereverTheTextIsCut) {
  for (std::size_t size = 1; size < 9; ++size) {
    const TextFacts plain = facts_of("a\r\n.b\r\n", size);
    EXPECT_EQ(plain.size, 7U);
    EXPECT_TRUE(plain.seven_bit && plain.canonical && plain.ends_line);
    EXPECT_FALSE(facts_of("a\r\nb", size).ends_line);
    EXPECT_FALSE(facts_of("a\r\n\xc3\xa4\r\n", size).seven_bit);
    EXPECT_FALSE(facts_of("a\nb\r\n", size).canonical);
    EXPECT_FALSE(facts_of("a\r\nb\r", size).canonical);
  }
}

TEST(TextEncoder, PiecesComeToTheSameAsTheWhole) {
  for (const std::string text :
       {"a\r\n.b\r\n..\r\n", ".a\r\n\r\n.\r\nb", "no line end", ".", "\r\n"}) {
    const message::Body whole{std::string(text)};
    for (std::size_t size = 1; size <= text.size() + 1; ++size) {
      const TextFacts facts = facts_of(text, size);
      EXPECT_EQ(encode_in_pieces(text, size, false, facts), encode(whole)) << size;
      const auto chunks = encode_bdat(whole);
      std::string bdat;
      for (const Chunk& chunk : *chunks) bdat += chunk.view();
      EXPECT_EQ(encode_in_pieces(text, size, true, facts), bdat) << size;
    }
  }
}

TEST(TextEncoder, WhatIsNotTheTextThatWasSurveyedIsNeverEnded) {
  for (const bool bdat : {false, true}) {
    const TextFacts facts = facts_of("ab\r\ncd\r\n", 3);
    EXPECT_EQ(encode_in_pieces("ab\r\ncd", 3, bdat, facts), "(none)");
    EXPECT_EQ(encode_in_pieces("ab\r\ncd\r\nmore", 5, bdat, facts), "(none)");
    EXPECT_EQ(encode_in_pieces("ab\ncd\r\n\r\n", 3, bdat, facts), "(none)");
    EXPECT_EQ(encode_in_pieces("ab\r\ncdef", 3, bdat, facts), "(none)");
  }
}

TEST(EncodeData, ThereAndBackAgain) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 300; ++round) {
    message::Body body;
    std::string text;
    for (std::size_t i = random() % 20; i > 0; --i) {
      const std::string_view parts[] = {".", "\r\n", "x", "yy\r\n", "..\r\n"};
      std::string part(parts[random() % 5]);
      if (random() % 8 == 0) part = std::string(random() % 600, 'z') + "\r\n";
      text += part;
      body.append(Chunk(part));
    }
    const Decoded out = decode(encode(body) + "next", 1 + random() % 50);
    if (!text.empty() && (text.size() < 2 || text.substr(text.size() - 2) != "\r\n"))
      text += "\r\n";
    EXPECT_EQ(out.text, text);
    EXPECT_EQ(out.rest, "next");
    EXPECT_EQ(out.defects & ~kDefectLongLine, 0);
  }
}

}  // namespace
}  // namespace postrider::smtp
