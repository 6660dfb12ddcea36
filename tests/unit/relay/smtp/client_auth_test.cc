#include "relay/base/ascii.h"
#include "tests/unit/relay/smtp/client_fixture.h"

namespace postrider::smtp {
namespace {

// Connections that begin with TLS. What is said when is in tests/dialogs/client_auth.smtp.
class ClientAuthTest : public ClientFixture {
 protected:
  ClientAuthTest() {
    tls = TlsFacts{"TLSv1.3", "TLS_AES_256_GCM_SHA384"};
    options.login = ClientLogin{"app", "secret"};
  }

  std::string greet(std::string_view offer) {
    EXPECT_EQ(server("220 mx.test ESMTP"), "EHLO relay.test\r\n");
    return raw("250-mx.test\r\n250 " + std::string(offer) + "\r\n");
  }
};

TEST_F(ClientAuthTest, LogsInBeforeItIsReady) {
  EXPECT_EQ(greet("AUTH plain"), "AUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
  EXPECT_FALSE(ready);
  server("235 ok");
  EXPECT_TRUE(ready);
}

TEST_F(ClientAuthTest, ALongResponseWaitsForTheChallenge) {
  options.login->password.assign(600, 'p');
  EXPECT_EQ(greet("AUTH PLAIN"), "AUTH PLAIN\r\n");
  const std::string response = server("334 ");
  EXPECT_EQ(ascii::base64_decode(response.substr(0, response.size() - 2)),
            std::string("\0app\0", 5) + std::string(600, 'p'));
  server("235 ok");
  EXPECT_TRUE(ready);
}

TEST_F(ClientAuthTest, NobodyWithoutALoginLogsIn) {
  options.login.reset();
  EXPECT_EQ(greet("AUTH PLAIN"), "");
  EXPECT_TRUE(ready);
}

TEST_F(ClientAuthTest, ScramComesBeforeTheOthers) {
  EXPECT_EQ(greet("AUTH PLAIN LOGIN SCRAM-SHA-256"), "");
  ASSERT_TRUE(scram_asked);
  EXPECT_TRUE(scram_asked->first);
  EXPECT_EQ(scram("one"), "AUTH SCRAM-SHA-256 b25l\r\n");
  EXPECT_EQ(server("334 dHdv"), "");
  EXPECT_EQ(scram_asked->message, "two");
  EXPECT_FALSE(scram_asked->first);
  EXPECT_EQ(scram("three"), "dGhyZWU=\r\n");
  server("334 Zm91cg==");
  EXPECT_EQ(scram(""), "\r\n");
  server("235 ok");
  EXPECT_TRUE(ready);
}

TEST_F(ClientAuthTest, TheMechanismMayBeNamed) {
  const std::string all = "AUTH PLAIN LOGIN SCRAM-SHA-256";
  options.login->mechanism = LoginMechanism::kPlain;
  EXPECT_EQ(greet(all), "AUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
  server("235 ok");
  EXPECT_TRUE(ready);
}

TEST_F(ClientAuthTest, ANamedMechanismIsTheOnlyOne) {
  options.login->mechanism = LoginMechanism::kScramSha256;
  EXPECT_EQ(greet("AUTH PLAIN LOGIN"), "QUIT\r\n");
  EXPECT_FALSE(ready);
  ASSERT_TRUE(ended);
  EXPECT_NE(ended->status.text.find("does not offer AUTH SCRAM-SHA-256"), std::string::npos);
}

TEST_F(ClientAuthTest, ScramIsLeftOutWhereItWouldNeedPreparation) {
  options.login->password = "p\xc3\xa4ncil";
  EXPECT_EQ(greet("AUTH SCRAM-SHA-256 PLAIN").substr(0, 11), "AUTH PLAIN ");
  EXPECT_FALSE(scram_asked);
}

TEST_F(ClientAuthTest, SuccessBeforeTheServerHasProvedItselfIsNone) {
  greet("AUTH SCRAM-SHA-256");
  scram("one");
  server("334 dHdv");
  scram("three");
  EXPECT_EQ(server("235 ok"), "QUIT\r\n");
  EXPECT_FALSE(ready);
  EXPECT_EQ(ended.value().stage, message::Stage::kAuth);
}

TEST_F(ClientAuthTest, NoChallengeIsExpectedBehindTheLast) {
  greet("AUTH SCRAM-SHA-256");
  scram("one");
  server("334 dHdv");
  scram("three");
  server("334 Zm91cg==");
  scram("");
  server("334 Zm91cg==");
  EXPECT_EQ(ended.value().status.text, "unexpected reply to AUTH: 334 Zm91cg==");
}

TEST_F(ClientAuthTest, WhatComesWhileTheProofIsMadeEndsTheLogin) {
  greet("AUTH SCRAM-SHA-256");
  scram("one");
  server("334 dHdv");
  EXPECT_EQ(session().deadline(), TimePoint::max());  // the server is not waited for
  session().connection_lost("gone", now);
  drain();
  EXPECT_EQ(ended.value().stage, message::Stage::kAuth);
  EXPECT_EQ(scram("three"), "");  // too late
}

TEST_F(ClientAuthTest, AnExchangeThatFailsIsCalledOff) {
  greet("AUTH SCRAM-SHA-256");
  scram("one");
  server("334 dHdv");
  said.clear();
  session().scram_failed("wrong", now);
  drain();
  EXPECT_EQ(said, "*\r\nQUIT\r\n");
  EXPECT_EQ(ended.value().status.text, "wrong");
}

}  // namespace
}  // namespace postrider::smtp
