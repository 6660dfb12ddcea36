#include "bench/json_text.h"

#include <gtest/gtest.h>

namespace postrider::bench {
namespace {

TEST(JsonText, WritesAnObject) {
  JsonObject object;
  object.number("n", 7).text("t", "a\"b\\").flag("f", true).texts("l", {"x", "y"}).real("r", 1.5);
  EXPECT_EQ(object.str(), R"({"n":7,"t":"a\"b\\","f":true,"l":["x","y"],"r":1.500})");
  EXPECT_EQ(JsonObject().str(), "{}");
}

TEST(JsonText, EscapesControlsAndKeepsUtf8) {
  EXPECT_EQ(json_quote("a\r\n\x01"), "\"a\\u000d\\u000a\\u0001\"");
  EXPECT_EQ(json_quote("gr\xC3\xBC\xC3\x9F"), "\"gr\xC3\xBC\xC3\x9F\"");
}

TEST(JsonText, ReplacesWhatIsNotUtf8) {
  const std::string replaced = "\"\xEF\xBF\xBD\"";
  EXPECT_EQ(json_quote("\xFF"), replaced);
  EXPECT_EQ(json_quote("\xC3"), replaced);
  EXPECT_EQ(json_quote("\xC0"), replaced);  // the lead of overlong forms
  EXPECT_NE(json_quote("\xED\xA0\x80").find("\xEF\xBF\xBD"), std::string::npos);  // a surrogate
}

}  // namespace
}  // namespace postrider::bench
