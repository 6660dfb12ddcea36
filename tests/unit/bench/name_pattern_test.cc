#include "bench/name_pattern.h"

#include <gmock/gmock.h>

namespace postrider::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

NamePattern parsed(std::string_view text) {
  auto pattern = NamePattern::parse(text);
  EXPECT_TRUE(pattern) << text;
  return *pattern;
}

TEST(NamePattern, ReadsAName) {
  EXPECT_EQ(parsed("Example.TEST").kind(), NamePattern::Kind::kExact);
  EXPECT_THAT(parsed("Example.TEST").expand(), ElementsAre("example.test"));
}

TEST(NamePattern, ExpandsARange) {
  EXPECT_THAT(parsed("d[9-11].test").expand(), ElementsAre("d9.test", "d10.test", "d11.test"));
  EXPECT_THAT(parsed("d[5].test").expand(), ElementsAre("d5.test"));
}

TEST(NamePattern, WildcardsNameNothingThemselves) {
  EXPECT_EQ(parsed("*").kind(), NamePattern::Kind::kAny);
  EXPECT_EQ(parsed("*.sim.test").kind(), NamePattern::Kind::kBelow);
  EXPECT_EQ(parsed("*.sim.test").suffix(), "sim.test");
  EXPECT_THAT(parsed("*.sim.test").expand(), IsEmpty());
}

TEST(NamePattern, RefusesWhatIsNoName) {
  for (const char* text : {"", ".", "a..b", "*x.test", "a.*.test", "d[1-2]e[3-4].test", "d[2-1].t",
                           "d[x].test", "d[1-2.test", "a b", "a@b", "d[0-1000000].test"}) {
    EXPECT_FALSE(NamePattern::parse(text)) << text;
  }
  EXPECT_FALSE(NamePattern::parse(std::string(64, 'a').append(".test")));
  EXPECT_THAT(NamePattern::parse("a b").error().text(), HasSubstr("'a b'"));
}

}  // namespace
}  // namespace postrider::bench
