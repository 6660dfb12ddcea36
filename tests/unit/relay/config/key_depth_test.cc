#include "relay/config/key_depth.h"

#include <gtest/gtest.h>
#include <string>

namespace postrider::config {
namespace {

std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

const std::string kDeep = repeated("a.", kKeyDotsMax + 1) + "a";
const std::string kDeepest = repeated("a.", kKeyDotsMax) + "a";

class DeepKey : public testing::TestWithParam<std::string> {};

TEST_P(DeepKey, IsFoundWithItsLine) {
  EXPECT_EQ(find_deep_key(GetParam()), 1U);
  EXPECT_EQ(find_deep_key("x = 1\n\r\n" + GetParam()), 3U);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, DeepKey,
    testing::Values("[" + kDeep + "]", "[[" + kDeep + "]]", kDeep + " = 1", "x = {" + kDeep + "=1}",
                    "x = [{y = 1, " + kDeep + " = 1}]", repeated("a\t. ", kKeyDotsMax + 1) + "a=1",
                    repeated("\"a.\".", kKeyDotsMax + 1) + "a = 1",
                    repeated("'' . ", kKeyDotsMax + 1) + "a = 1", "x = [\"\", " + kDeep,
                    R"(x = ["\\", )" + kDeep, R"(x = ["\"", )" + kDeep, R"(x = ['\', )" + kDeep,
                    R"(x = ["""""", )" + kDeep, R"(x = ["""a""""", )" + kDeep,
                    R"(x = ["""a"""", )" + kDeep, R"(x = ['''a''''', )" + kDeep,
                    R"(x = ["""a\"""""", )" + kDeep, R"(x = ["""'''""", ''', """''', )" + kDeep));

class OrdinaryText : public testing::TestWithParam<std::string> {};

TEST_P(OrdinaryText, HasNone) {
  EXPECT_EQ(find_deep_key(GetParam()), std::nullopt);
}

const std::string kHosts = repeated("mx.a.example, ", 1000);
const std::string kDots(1000, '.');

INSTANTIATE_TEST_SUITE_P(
    Forms, OrdinaryText,
    testing::Values("", "[" + kDeepest + "]", "x = \"" + kHosts + "\"", "x = '" + kDots + "'",
                    "x = [" + repeated("\"mx.a.example\", ", 1000) + "]",
                    "x = [" + repeated("1.5, ", 1000) + "]", repeated("[a.b]\n", 1000),
                    "x = \"\"\"\n" + kDots + "\n\"\"\"", "x = '''\"\n" + kDots + "'''",
                    "# don't " + kDots + "\n# \"" + kDots + "\nx = 1", "x = 1 # " + kDots,
                    "x = \"\\\"" + kDots + "\"", "x = '\\' # " + kDots));

TEST(DeepKey, CutTextIsRead) {
  for (const std::string text : {"\"", "'", "\"\"", "\"\"\"", "'''", "\"\\", "\"\"\"\\", "'''a''",
                                 "#", "\"a\nb", "\"\"\"a\"\"\"\""}) {
    EXPECT_EQ(find_deep_key(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace postrider::config
