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

// The example of RFC 7677 section 3: user "user", password "pencil".
class ScramExchangeTest : public testing::Test {
 protected:
  using Step = ScramExchange::Step;

  ScramExchange exchange() {
    auto users = std::make_shared<const Users>(std::vector<User>{
        {"user", "", "",
         "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
         "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="},
        {"plain", "$y$", ""}});
    ScramExchange made(users, digests_);
    made.set_nonce("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
    return made;
  }

  static constexpr std::string_view kFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
  static constexpr std::string_view kLast =
      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

  KeyedDigest digests_;
};

TEST_F(ScramExchangeTest, TheExampleOfTheRfc) {
  ScramExchange scram = exchange();
  ASSERT_EQ(scram.respond(kFirst), Step::kChallenge);
  EXPECT_EQ(
      scram.challenge(),
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
  ASSERT_EQ(scram.respond(kLast), Step::kChallenge);
  EXPECT_EQ(scram.challenge(), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  EXPECT_EQ(scram.respond(""), Step::kAccepted);
  EXPECT_EQ(scram.user(), "user");
  EXPECT_EQ(scram.respond(""), Step::kMalformed);  // it is over
}

TEST_F(ScramExchangeTest, NobodyIsAcceptedBeforeTheEnd) {
  ScramExchange scram = exchange();
  EXPECT_EQ(scram.respond(""), Step::kMalformed);
  EXPECT_EQ(scram.respond(kFirst), Step::kMalformed);
  ScramExchange second = exchange();
  ASSERT_EQ(second.respond(kFirst), Step::kChallenge);
  EXPECT_EQ(second.respond(""), Step::kMalformed);
  EXPECT_EQ(second.respond(kLast), Step::kMalformed);
}

TEST_F(ScramExchangeTest, AnyChangeOfTheLastMessageIsRefused) {
  for (std::size_t i = 0; i < kLast.size(); ++i) {
    ScramExchange scram = exchange();
    ASSERT_EQ(scram.respond(kFirst), Step::kChallenge);
    std::string changed(kLast);
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(scram.respond(changed), Step::kChallenge) << changed;
  }
}

TEST_F(ScramExchangeTest, UsersWithoutAVerifierLookLikeOthers) {
  for (const std::string name : {"nobody", "plain"}) {
    std::string salts[2];
    for (std::string& salt : salts) {
      ScramExchange scram = exchange();
      ASSERT_EQ(scram.respond("n,,n=" + name + ",r=abc"), Step::kChallenge);
      salt = scram.challenge();
      EXPECT_EQ(scram.respond("c=biws,r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                              "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
                Step::kRejected);
    }
    EXPECT_EQ(salts[0], salts[1]);
  }
}

// Who asks twice, once on behalf of another, would learn from two salts that the name exists.
TEST_F(ScramExchangeTest, OnBehalfOfAnotherTheChallengeIsThatOfTheName) {
  for (const std::string name : {"user", "nobody", "plain"}) {
    std::string challenges[2];
    for (std::string& challenge : challenges) {
      ScramExchange scram = exchange();
      const std::string identity = &challenge == challenges ? "" : "a=root";
      ASSERT_EQ(scram.respond("n," + identity + ",n=" + name + ",r=abc"), Step::kChallenge);
      challenge = scram.challenge();
    }
    EXPECT_EQ(challenges[0], challenges[1]) << name;
  }
}

TEST_F(ScramExchangeTest, OnBehalfOfAnotherIsRefused) {
  ScramExchange own = exchange();
  EXPECT_EQ(own.respond("n,a=user,n=user,r=abc"), Step::kChallenge);
  ScramExchange scram = exchange();
  ASSERT_EQ(scram.respond("n,a=root,n=user,r=rOprNGfwEbeRWgbNEkqO"), Step::kChallenge);
  EXPECT_EQ(scram.respond(kLast), Step::kRejected);
}

TEST_F(ScramExchangeTest, RefusesWhatTheGrammarDoesNotKnow) {
  for (const std::string& first :
       {std::string(), std::string("n"), std::string("n,"), std::string("n,,"),
        std::string("x,,n=user,r=a"), std::string("p=tls-unique,,n=user,r=a"),
        std::string("n,,n=user"), std::string("n,,n=,r=a"), std::string("n,,r=a,n=user"),
        std::string("n,,m=x,n=user,r=a"), std::string("n,,n=a=b,r=a"), std::string("n,,n=a=2,r=a"),
        std::string("n,,n=user,r="), std::string("n,,n=user,r=a b"), std::string("n,a=,n=user,r=a"),
        std::string("n,,n=us\ner,r=a"), "n,,n=" + std::string(256, 'x') + ",r=a",
        "n,,n=user,r=" + std::string(513, 'x'), std::string("n,,n=us\0er,r=a", 15)}) {
    ScramExchange scram = exchange();
    EXPECT_EQ(scram.respond(first), Step::kMalformed) << first;
  }
  ScramExchange scram = exchange();
  ASSERT_EQ(scram.respond("y,,n=a=2Cb=3D,r=abc,ext=1"), Step::kChallenge);
  EXPECT_EQ(scram.user(), "a,b=");
}

}  // namespace
}  // namespace postrider::auth
