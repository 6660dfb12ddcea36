#include "relay/message/xtext.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postrider::message {
namespace {

using ::testing::Optional;

TEST(Xtext, DecodesHexPairs) {
  EXPECT_THAT(decode_xtext("a+2Bb@x.example"), Optional(std::string("a+b@x.example")));
  EXPECT_THAT(decode_xtext("QQ+3D314159"), Optional(std::string("QQ=314159")));
  EXPECT_THAT(decode_xtext("+0D+0A"), Optional(std::string("\r\n")));
  EXPECT_THAT(decode_xtext(""), Optional(std::string()));
}

TEST(Xtext, LeavesUtf8AddressesAlone) {
  EXPECT_THAT(decode_xtext("j\xc3\xb6@x"), Optional(std::string("j\xc3\xb6@x")));
  EXPECT_THAT(decode_xtext("j\\x{F6}@x"), Optional(std::string("j\\x{F6}@x")));
}

TEST(Xtext, RefusesWhatIsNone) {
  for (const char* bad :
       {"+", "+2", "a+2", "+2b", "+G0", "+0g", "a b", "a=b", "a\tb", "a\x7f", "++2B", "a\r\n"}) {
    EXPECT_EQ(decode_xtext(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace postrider::message
