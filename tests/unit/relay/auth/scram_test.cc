#include "relay/auth/scram.h"

#include <gtest/gtest.h>

#include "relay/base/ascii.h"

namespace postrider::auth {
namespace {

const std::string kKey = ascii::base64_encode(std::string(32, 'k'));

TEST(ScramVerifier, IsReadAsItIsMade) {
  const auto made = make_scram_verifier("pencil");
  ASSERT_TRUE(made);
  const auto parsed = parse_scram_verifier(*made);
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_GE(parsed->iterations, 4096U);
  EXPECT_EQ(parsed->salt.size(), 16U);
  EXPECT_NE(parsed->stored_key, parsed->server_key);
  // A salt of its own each time.
  EXPECT_NE(*make_scram_verifier("pencil"), *made);
}

TEST(ScramVerifier, RefusesPasswordsThatClientsPrepareInDifferentWays) {
  EXPECT_FALSE(make_scram_verifier(""));
  EXPECT_FALSE(make_scram_verifier("p\xc3\xa4ncil"));
  EXPECT_FALSE(make_scram_verifier(std::string("a\0b", 3)));
}

TEST(ScramVerifier, RefusesWhatIsNone) {
  for (const std::string& text :
       {std::string(""), std::string("SCRAM-SHA-1$4096:c2FsdA==$" + kKey + ":" + kKey),
        std::string("SCRAM-SHA-256$4096:c2FsdA=="), std::string("SCRAM-SHA-256$4096$" + kKey),
        std::string("SCRAM-SHA-256$4095:c2FsdA==$" + kKey + ":" + kKey),
        std::string("SCRAM-SHA-256$4096:$" + kKey + ":" + kKey),
        std::string("SCRAM-SHA-256$4096:c2FsdA==$a2V5:" + kKey),
        std::string("SCRAM-SHA-256$99999999:c2FsdA==$" + kKey + ":" + kKey)}) {
    EXPECT_FALSE(parse_scram_verifier(text)) << text;
  }
  EXPECT_TRUE(parse_scram_verifier("SCRAM-SHA-256$4096:c2FsdA==$" + kKey + ":" + kKey));
}

}  // namespace
}  // namespace postrider::auth
