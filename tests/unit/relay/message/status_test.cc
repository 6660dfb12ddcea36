#include "relay/message/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postrider::message {
namespace {

using ::testing::EndsWith;
using ::testing::Optional;
using ::testing::SizeIs;

TEST(EnhancedCode, ParsesItsThreeNumbers) {
  EXPECT_THAT(EnhancedCode::parse("5.1.1"), Optional(EnhancedCode{5, 1, 1}));
  EXPECT_THAT(EnhancedCode::parse("2.0.0"), Optional(EnhancedCode{2, 0, 0}));
  EXPECT_THAT(EnhancedCode::parse("4.999.999"), Optional(EnhancedCode{4, 999, 999}));
}

TEST(EnhancedCode, RefusesEverythingElse) {
  for (const char* bad :
       {"", "5", "5.", "5.1", "5.1.", "5.1.1 ", "5.1.1x", "5.1.1.1", "3.1.1", "1.1.1", "55.1.1",
        "5.1000.1", "5.1.1000", "5..1", " 5.1.1", "5.-1.1", "5.+1.1", "5,1,1"}) {
    EXPECT_EQ(EnhancedCode::parse(bad), std::nullopt) << bad;
  }
}

TEST(EnhancedCode, ItsTextParsesToItself) {
  const EnhancedCode code{4, 70, 123};
  EXPECT_EQ(code.to_string(), "4.70.123");
  EXPECT_THAT(EnhancedCode::parse(code.to_string()), Optional(code));
  EXPECT_TRUE(code.present());
  EXPECT_FALSE(EnhancedCode{}.present());
}

TEST(Status, KnowsItsClass) {
  EXPECT_TRUE(Status{.code = 250}.is_positive());
  EXPECT_TRUE(Status{.code = 354}.is_positive());
  EXPECT_TRUE(Status{.code = 421}.is_transient());
  EXPECT_TRUE(Status{.code = 550}.is_permanent());
  EXPECT_FALSE(Status{}.is_positive() || Status{}.is_transient() || Status{}.is_permanent());
}

TEST(Status, LineHasWhatThereIs) {
  EXPECT_EQ((Status{550, {5, 1, 1}, "No such user"}.to_line()), "550 5.1.1 No such user");
  EXPECT_EQ((Status{550, {}, "No such user"}.to_line()), "550 No such user");
  EXPECT_EQ((Status{250, {}, ""}.to_line()), "250");
  EXPECT_EQ((Status{0, {}, "connection refused"}.to_line()), "connection refused");
  EXPECT_EQ(Status{}.to_line(), "");
}

TEST(Status, LineIsPrintable) {
  EXPECT_EQ((Status{550, {}, "first\nsecond\x1b[0m\xff \\r\t"}.to_line()),
            R"(550 first second\x1b[0m\xff \\r\x09)");
}

TEST(Status, LineIsCutAt500BetweenCharacters) {
  const std::string line = Status{550, {5, 7, 1}, std::string(2000, 'x')}.to_line();
  EXPECT_THAT(line, SizeIs(500));
  EXPECT_THAT(line, EndsWith("xxx..."));
  for (std::size_t shift = 0; shift < 4; ++shift) {
    const std::string text = std::string(shift, 'y') + std::string(600, '\x01');
    const std::string escaped = Status{550, {}, text}.to_line();
    EXPECT_LE(escaped.size(), 500U);
    EXPECT_THAT(escaped, EndsWith("\\x01..."));
  }
}

TEST(Status, LineOfExactly500IsNotCut) {
  const std::string text(496, 'x');
  EXPECT_EQ((Status{550, {}, text}.to_line()), "550 " + text);
}

}  // namespace
}  // namespace postrider::message
