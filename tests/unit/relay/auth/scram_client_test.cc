#include "relay/auth/scram_client.h"

#include <gmock/gmock.h>

#include "relay/auth/keyed_digest.h"
#include "relay/auth/scram.h"
#include "relay/base/ascii.h"
#include "tests/unit/relay/base/later.h"

namespace postrider::auth {
namespace {

using testing::HasSubstr;

// The example of RFC 7677 section 3.
constexpr std::string_view kNonce = "rOprNGfwEbeRWgbNEkqO";
const std::string kBoth = std::string(kNonce) + "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const std::string kChallenge = "r=" + kBoth + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view kSignature = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

std::string refusal_of(std::string_view challenge) {
  ScramClient client("user", kNonce);
  const auto salt = client.challenged(challenge);
  return salt ? "" : salt.error().text();
}

TEST(ScramClient, TheExampleOfTheRfc) {
  ScramClient client("user", kNonce);
  EXPECT_EQ(client.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const auto salt = client.challenged(kChallenge);
  ASSERT_TRUE(salt) << salt.error().text();
  EXPECT_EQ(salt->iterations, 4096U);
  EXPECT_FALSE(client.has_proved());
  EXPECT_EQ(client.prove(derive_scram_keys("pencil", *salt)),
            "c=biws,r=" + kBoth + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_TRUE(client.has_proved());
  EXPECT_TRUE(client.verify(kSignature));
}

TEST(ScramClient, AServerThatDoesNotKnowThePasswordIsRefused) {
  ScramClient client("user", kNonce);
  client.prove(derive_scram_keys("pencil", *client.challenged(kChallenge)));
  for (const std::string& message :
       {std::string("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), std::string("v="),
        std::string("v=!"), std::string(""), std::string("x=1")}) {
    const auto right = client.verify(message);
    ASSERT_FALSE(right) << message;
    EXPECT_THAT(right.error().text(), HasSubstr("does not know the password"));
  }
  const auto refused = client.verify("e=invalid-proof");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("refuses the login: invalid-proof"));
}

TEST(ScramClient, AChallengeMustAnswerOurs) {
  EXPECT_EQ(refusal_of(kChallenge + ",x=extension"), "");
  EXPECT_THAT(refusal_of("r=another,s=c2FsdA==,i=4096"), HasSubstr("no answer to ours"));
  // Nothing of the server's: what it said once it could say again.
  EXPECT_THAT(refusal_of("r=" + std::string(kNonce) + ",s=c2FsdA==,i=4096"),
              HasSubstr("no answer to ours"));
  EXPECT_THAT(refusal_of("m=more," + kChallenge), HasSubstr("extension"));
  for (const std::string& tail :
       {std::string(""), std::string(",s=c2FsdA=="), std::string(",s=,i=4096"),
        std::string(",s=!,i=4096"), std::string(",s=c2FsdA==,i=many")}) {
    EXPECT_THAT(refusal_of("r=" + kBoth + tail), HasSubstr("is none of SCRAM")) << tail;
  }
}

TEST(ScramClient, NeitherCheapNorEndlessWorkIsDone) {
  for (const std::string count : {"1", "4095", "1000001", "4294971392"}) {
    EXPECT_THAT(refusal_of("r=" + kBoth + ",s=c2FsdA==,i=" + count),
                HasSubstr(count + " iterations"));
  }
}

TEST(ScramClient, LogsInAtOurOwnServer) {
  const std::string user = "a,b=c";
  auto users = std::make_shared<const Users>(
      std::vector<User>{{user, "", "", *make_scram_verifier("pencil")}});
  const KeyedDigest digests;
  for (const std::string password : {"pencil", "pen"}) {
    ScramExchange server(users, digests);
    ScramClient client(user);
    ASSERT_EQ(server.respond(client.first()), ScramExchange::Step::kChallenge);
    const auto salt = client.challenged(server.challenge());
    ASSERT_TRUE(salt) << salt.error().text();
    const auto step = server.respond(client.prove(derive_scram_keys(password, *salt)));
    if (password != "pencil") {
      EXPECT_EQ(step, ScramExchange::Step::kRejected);
      continue;
    }
    ASSERT_EQ(step, ScramExchange::Step::kChallenge);
    EXPECT_TRUE(client.verify(server.challenge()));
    EXPECT_EQ(server.respond(""), ScramExchange::Step::kAccepted);
    EXPECT_EQ(server.user(), user);
  }
}

TEST(ScramClient, ANonceIsUsedOnce) {
  EXPECT_NE(ScramClient("user").first(), ScramClient("user").first());
}

TEST(ScramKeyring, DerivesOnceAndAnswersThroughTheExecutor) {
  Later later;
  ScramKeyring keyring;
  std::vector<std::string> keys;
  const auto ask = [&](const std::string& password, const std::string& salt) {
    keyring.derive(password, {salt, 4096}, later, [&keys](std::optional<ScramKeys> derived) {
      keys.push_back(derived.value().client_key);
    });
  };
  ask("pencil", "salt");
  ask("pencil", "pepper");
  ask("pen", "salt");
  EXPECT_TRUE(keys.empty());
  later.run(3);
  ASSERT_EQ(keys.size(), 3U);
  EXPECT_EQ(keys[0], derive_scram_keys("pencil", {"salt", 4096}).client_key);
  EXPECT_NE(keys[0], keys[1]);
  EXPECT_NE(keys[0], keys[2]);
  // Remembered: the answer is there at once.
  ask("pencil", "salt");
  EXPECT_FALSE(later.empty());
  later.run(1);
  EXPECT_EQ(keys[3], keys[0]);
}

TEST(ScramKeyring, WhatWaitsWhenItIsStoppedIsDropped) {
  Later later;
  ScramKeyring keyring;
  for (int i = 0; i < 50; ++i) {
    keyring.derive("pencil" + std::to_string(i), {"salt", 100'000}, later, [](const auto&) {});
  }
  keyring.stop();
}

}  // namespace
}  // namespace postrider::auth
