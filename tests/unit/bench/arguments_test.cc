#include "bench/arguments.h"

#include <gmock/gmock.h>

namespace postrider::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ArgumentsTest : public testing::Test {
 protected:
  ArgumentsTest() {
    arguments.text("--name", "NAME", "a name", name);
    arguments.texts("--item", "ITEM", "an item", items);
    arguments.count("--count", "N", "a count", count, 1);
    arguments.flag("--fast", "be fast", fast);
  }

  std::string error_of(const std::vector<std::string>& words) {
    const auto parsed = arguments.parse(words);
    return parsed ? "" : parsed.error().text();
  }

  std::string name;
  std::vector<std::string> items;
  std::uint64_t count = 0;
  bool fast = false;
  Arguments arguments{"tool [options]", "A tool."};
};

TEST_F(ArgumentsTest, ReadsBothForms) {
  EXPECT_EQ(error_of({"--name", "a", "--count=7", "--fast", "--item", "x", "--item=y=z"}), "");
  EXPECT_EQ(name, "a");
  EXPECT_EQ(count, 7U);
  EXPECT_TRUE(fast);
  EXPECT_THAT(items, ElementsAre("x", "y=z"));
}

TEST_F(ArgumentsTest, NamesTheNearestOption) {
  EXPECT_THAT(error_of({"--nmae", "a"}), HasSubstr("did you mean --name?"));
  EXPECT_THAT(error_of({"--somethingelse"}), testing::Not(HasSubstr("did you mean")));
}

TEST_F(ArgumentsTest, ErrorsNameTheOption) {
  EXPECT_THAT(error_of({"--name"}), HasSubstr("--name needs a value (NAME)"));
  EXPECT_THAT(error_of({"--fast=1"}), HasSubstr("--fast takes no value"));
  EXPECT_THAT(error_of({"--count", "x"}), HasSubstr("--count: 'x'"));
  EXPECT_THAT(error_of({"--count", "0"}), HasSubstr("at least 1"));
  EXPECT_THAT(error_of({"word"}), HasSubstr("unknown option 'word'"));
}

TEST_F(ArgumentsTest, HelpIsNoError) {
  const auto parsed = arguments.parse({"--help", "--nonsense"});
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(*parsed);
  for (const char* part : {"usage: tool [options]", "A tool.", "--count N", "be fast"}) {
    EXPECT_THAT(arguments.help(), HasSubstr(part));
  }
}

}  // namespace
}  // namespace postrider::bench
