#include "relay/smtp/sasl.h"

#include <gtest/gtest.h>
#include <string>

namespace postrider::smtp {
namespace {

using namespace std::string_literals;

std::unique_ptr<SaslExchange> exchange(std::string_view name) {
  return std::move(start_sasl(name)->exchange);
}

SaslStep plain(const std::string& response) {
  return exchange("PLAIN")->respond(response);
}

TEST(Sasl, MechanismsInAnyCase) {
  EXPECT_EQ(start_sasl("plain")->name, "PLAIN");
  EXPECT_EQ(start_sasl("Login")->name, "LOGIN");
  EXPECT_FALSE(start_sasl("CRAM-MD5").has_value());
  EXPECT_FALSE(start_sasl("").has_value());
}

TEST(SaslPlain, UserAndPassword) {
  const auto sasl = exchange("PLAIN");
  EXPECT_EQ(sasl->begin(), SaslStep::kChallenge);
  EXPECT_EQ(sasl->challenge(), "");
  ASSERT_EQ(sasl->respond("\0alice\0secret"s), SaslStep::kCredentials);
  EXPECT_EQ(sasl->user(), "alice");
  EXPECT_EQ(sasl->password(), "secret");
}

TEST(SaslPlain, AuthorizationIdentityMustBeTheUser) {
  EXPECT_EQ(plain("alice\0alice\0secret"s), SaslStep::kCredentials);
  EXPECT_EQ(plain("root\0alice\0secret"s), SaslStep::kForeignIdentity);
}

TEST(SaslPlain, Malformed) {
  for (const std::string& response :
       {""s, "alice"s, "\0alice"s, "\0\0secret"s, "\0alice\0secret\0x"s, "\0al\nice\0secret"s,
        "\0"s + std::string(256, 'a') + "\0x"s, "\0alice\0"s + std::string(1025, 'x')}) {
    EXPECT_EQ(plain(response), SaslStep::kMalformed);
  }
}

TEST(SaslLogin, TwoPrompts) {
  const auto sasl = exchange("LOGIN");
  EXPECT_EQ(sasl->begin(), SaslStep::kChallenge);
  EXPECT_EQ(sasl->challenge(), "Username:");
  EXPECT_EQ(sasl->respond("alice"), SaslStep::kChallenge);
  EXPECT_EQ(sasl->challenge(), "Password:");
  EXPECT_EQ(sasl->respond("secret"), SaslStep::kCredentials);
  EXPECT_EQ(sasl->user(), "alice");
  EXPECT_EQ(sasl->password(), "secret");
}

TEST(SaslLogin, InitialResponseIsTheUser) {
  const auto sasl = exchange("LOGIN");
  EXPECT_EQ(sasl->respond("alice"), SaslStep::kChallenge);
  EXPECT_EQ(sasl->challenge(), "Password:");
}

TEST(SaslLogin, Malformed) {
  EXPECT_EQ(exchange("LOGIN")->respond(""), SaslStep::kMalformed);
  EXPECT_EQ(exchange("LOGIN")->respond("a\x01"), SaslStep::kMalformed);
  const auto sasl = exchange("LOGIN");
  sasl->respond("alice");
  EXPECT_EQ(sasl->respond("a\0b"s), SaslStep::kMalformed);
}

TEST(Sasl, InitialResponses) {
  EXPECT_EQ(decode_initial_response("="), "");
  EXPECT_EQ(decode_initial_response("YQ=="), "a");
  EXPECT_FALSE(decode_initial_response("YQ").has_value());
  EXPECT_FALSE(decode_initial_response("*").has_value());
}

}  // namespace
}  // namespace postrider::smtp
