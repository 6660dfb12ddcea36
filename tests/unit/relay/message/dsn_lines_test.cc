#include "relay/message/dsn_lines.h"

#include <gtest/gtest.h>

namespace postrider::message {
namespace {

std::string field(std::string_view value) {
  std::string out;
  append_field(out, "Name", value);
  return out;
}

std::string paragraph(std::string_view indent, std::string_view text) {
  std::string out;
  append_paragraph(out, indent, text);
  return out;
}

TEST(CleanText, LeavesNoControlCharacter) {
  EXPECT_EQ(clean_text("a\r\nb\t\x7f\\\"", 100, false), "a??b??\\\"");
  EXPECT_EQ(clean_text(std::string_view("\0x", 2), 100, true), "?x");
  EXPECT_EQ(clean_text("\xc2\x85", 100, true), "?");
}

TEST(CleanText, LeavesNonAsciiOnlyWhereItMayStand) {
  EXPECT_EQ(clean_text("j\xc3\xb6", 100, true), "j\xc3\xb6");
  EXPECT_EQ(clean_text("j\xc3\xb6", 100, false), "j?");
  EXPECT_EQ(clean_text("\xc3j\xff", 100, true), "?j?");
}

TEST(CleanText, CutsBetweenCharacters) {
  EXPECT_EQ(clean_text("0123456789", 10, false), "0123456789");
  EXPECT_EQ(clean_text("0123456789x", 10, false), "0123456...");
  EXPECT_EQ(clean_text("012345\xc3\xb6 and more", 10, true), "012345...");
}

TEST(AppendField, FoldsBeforeSingleSpaces) {
  const std::string word(40, 'w');
  EXPECT_EQ(field("short"), "Name: short\r\n");
  EXPECT_EQ(field(word + " " + word + " " + word),
            "Name: " + word + "\r\n " + word + "\r\n " + word + "\r\n");
  EXPECT_EQ(field(word + "  " + word), "Name: " + word + "  " + word + "\r\n");
}

TEST(AppendField, NeverFoldsRightBehindTheName) {
  const std::string word(200, 'w');
  EXPECT_EQ(field(word + " x"), "Name: " + word + "\r\n x\r\n");
}

TEST(AppendField, FillsLinesUpTo78Columns) {
  const std::string value = std::string(70, 'a') + " b";
  EXPECT_EQ(field(value), "Name: " + value + "\r\n") << "78 columns";
  EXPECT_EQ(field(value + "c"), "Name: " + std::string(70, 'a') + "\r\n bc\r\n");
}

TEST(AppendParagraph, WrapsAt72ColumnsWithItsIndent) {
  const std::string word(30, 'w');
  EXPECT_EQ(paragraph("  ", word + " " + word + " " + word),
            "  " + word + " " + word + "\r\n  " + word + "\r\n");
  EXPECT_EQ(paragraph("", std::string(100, 'x') + " y"), std::string(100, 'x') + "\r\ny\r\n");
  EXPECT_EQ(paragraph("  ", ""), "  \r\n");
}

TEST(RepairLines, LeavesGoodLinesAlone) {
  const std::string good = "a\r\n\r\n" + std::string(998, 'x') + "\r\n";
  EXPECT_TRUE(has_wire_lines(good));
  EXPECT_EQ(repair_lines(good), good);
  EXPECT_TRUE(has_wire_lines(""));
  EXPECT_EQ(repair_lines(""), "");
}

TEST(RepairLines, RepairsEverythingElse) {
  const std::string texts[] = {"a",
                               "a\n",
                               "a\rb\r\n",
                               "a\r\r\n",
                               "a\r\nb",
                               std::string("\0\r\n", 3),
                               "\n\r\n",
                               std::string(999, 'x') + "\r\n",
                               std::string(998, 'x') + "\xc3\xb6\r\n"};
  for (const std::string& text : texts) {
    EXPECT_FALSE(has_wire_lines(text)) << text;
    EXPECT_TRUE(has_wire_lines(repair_lines(text))) << text;
  }
  EXPECT_EQ(repair_lines("a\rb\nc"), "a?b?c\r\n");
}

TEST(RepairLines, CutsBetweenCharacters) {
  EXPECT_EQ(repair_lines(std::string(997, 'x') + "\xc3\xb6"), std::string(997, 'x') + "\r\n");
  EXPECT_EQ(repair_lines(std::string(996, 'x') + "\xc3\xb6"),
            std::string(996, 'x') + "\xc3\xb6\r\n");
}

}  // namespace
}  // namespace postrider::message
