#include "relay/submission/metadata.h"

#include <gmock/gmock.h>

namespace postrider::submission {
namespace {

using message::Metadata;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Taken {
  std::optional<Denied> denied;
  std::vector<Metadata> metadata;
  std::string left;
};

Taken take(const std::string& text,
           const std::vector<std::string>& patterns = {"X-Meta-*", "X-Job"}) {
  message::HeaderSection header(text);
  message::Envelope envelope;
  auto denied = take_metadata(patterns, header, envelope);
  return {std::move(denied), envelope.metadata, header.to_string()};
}

TEST(Metadata, FieldsGoToTheEnvelope) {
  const Taken taken = take(
      "From: a@b.example\r\nX-META-User: 42\r\nx-job: nightly\r\n run\r\nX-Jobs: stay\r\n"
      "X-Meta: stay\r\nX-Meta-User: 43\r\n\r\n");
  EXPECT_FALSE(taken.denied);
  EXPECT_THAT(taken.metadata,
              ElementsAre(Metadata{"x-job", "nightly run"}, Metadata{"x-meta-user", "42, 43"}));
  EXPECT_EQ(taken.left, "From: a@b.example\r\nX-Jobs: stay\r\nX-Meta: stay\r\n\r\n");
}

TEST(Metadata, WithoutPatternsNothingIsTouched) {
  const Taken taken = take("X-Meta-A: 1\r\n\r\n", {});
  EXPECT_THAT(taken.metadata, IsEmpty());
  EXPECT_EQ(taken.left, "X-Meta-A: 1\r\n\r\n");
}

TEST(Metadata, NamesAreBounded) {
  std::string text;
  for (int i = 0; i < 16; ++i) text += "X-Meta-" + std::to_string(i) + ": x\r\n";
  EXPECT_EQ(take(text).metadata.size(), 16U);
  EXPECT_TRUE(take("X-Meta-" + std::string(57, 'a') + ": x\r\n").metadata.size() == 1);
  EXPECT_TRUE(take("X-Meta-" + std::string(58, 'a') + ": x\r\n").denied);
  const Taken taken = take(text + "X-Meta-16: x\r\n");
  ASSERT_TRUE(taken.denied);
  EXPECT_THAT(taken.denied->status.text, HasSubstr("More than 16 header fields"));
}

// They would stay in the text.
TEST(Metadata, LinesThatAreNoFieldsButBeginAsOneAreRefused) {
  for (const std::string line :
       {"X-Meta-\xe9: secret", "x-meta-B\x7f: secret", "X-Meta-b c: secret", "X-Meta-b",
        "X-Meta-b\r\n : secret", "X-Job\x0b: secret"}) {
    const Taken taken = take("X-Job: 1\r\n" + line + "\r\n\r\n");
    ASSERT_TRUE(taken.denied) << line;
    EXPECT_THAT(taken.denied->status.text, HasSubstr("Line 2 of the header section is no field"));
  }
  EXPECT_FALSE(take("X-Met\xe9: stay\r\n\r\n").denied);
}

TEST(Metadata, TheLinesOfAllRecipientsAreBounded) {
  // 15 octets of JSON: "a":"\"345678",
  const std::vector<Metadata> metadata{{"a", "\"345678"}};
  EXPECT_FALSE(metadata_lines_denial(metadata, kMetadataLinesMax / 15));
  const auto denied = metadata_lines_denial(metadata, kMetadataLinesMax / 15 + 1);
  ASSERT_TRUE(denied);
  EXPECT_EQ(denied->reason, "metadata");
  EXPECT_FALSE(metadata_lines_denial({}, kMetadataLinesMax));
  // The largest there is, for one recipient.
  const std::vector<Metadata> largest(
      message::kMetadataMax,
      {std::string(message::kMetadataNameMax, '"'), std::string(message::kMetadataValueMax, '"')});
  EXPECT_FALSE(metadata_lines_denial(largest, 1));
}

TEST(Metadata, WhatASignatureCoversCannotBeTaken) {
  const std::string signature =
      "DKIM-Signature: v=1; a=x; d=b.example; s=s; bh=x; b=x; h=from:x-meta-a\r\n";
  const Taken taken = take(signature + "X-Meta-A: 1\r\n\r\n");
  ASSERT_TRUE(taken.denied);
  EXPECT_THAT(taken.denied->status.text, HasSubstr("x-meta-a"));
  EXPECT_FALSE(take(signature + "X-Meta-B: 1\r\n\r\n").denied);
}

TEST(Metadata, ValuesArePrintableUtf8) {
  EXPECT_EQ(printable_utf8("Gr\xc3\xbc\xc3\x9f"
                           "e",
                           100),
            "Gr\xc3\xbc\xc3\x9f"
            "e");
  EXPECT_EQ(printable_utf8("a\tb\x01\x7f\xff\xc3", 100), "a?b????");
  EXPECT_EQ(printable_utf8("\xc2\x85", 100), "?");  // NEL, a control character
  EXPECT_EQ(printable_utf8("abc\xc3\xbc", 4), "abc");
  EXPECT_EQ(printable_utf8("abc\xc3\xbc", 5), "abc\xc3\xbc");
  const Taken taken = take("X-Job: " + std::string(900, 'x') + "\r\n");
  EXPECT_EQ(taken.metadata[0].value.size(), message::kMetadataValueMax);
}

}  // namespace
}  // namespace postrider::submission
