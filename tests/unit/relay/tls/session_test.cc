// Resumption: it saves most of a handshake's cost, and stops without a sound when a rule about
// sessions is broken.
#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include "tests/unit/relay/tls/tls_fixture.h"

namespace postrider::tls {
namespace {

// With the newest version the engine may use.
class SessionTest : public testing::TestWithParam<int> {
 protected:
  SessionTest() { SSL_CTX_set_max_proto_version(client_->raw(), GetParam()); }

  Pair connect(const std::optional<Session>& session = std::nullopt,
               std::string_view name = "mx.example") {
    return connect(client_, session, name);
  }

  Pair connect(const std::shared_ptr<const Context>& client, const std::optional<Session>& session,
               std::string_view name = "mx.example") {
    Pair both(Engine::server(server_), Engine::client(client, name, session));
    both.pump();
    EXPECT_TRUE(both.both_open()) << both.client.error();
    return both;
  }

  // How an ordinary connection ends: the ticket of TLS 1.3 comes with the first reply.
  static std::optional<Session> end(Pair& both) {
    both.server.send("221 bye\r\n");
    both.pump();
    return both.client.take_session();
  }

  IdentityFiles files_{std::vector<std::string>{"mx.example", "mx2.example"}};
  std::shared_ptr<const Context> server_ = server_context(files_);
  std::shared_ptr<const Context> client_ = verifying_client(files_.server.certificate_file);
};

INSTANTIATE_TEST_SUITE_P(Versions, SessionTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_P(SessionTest, IsResumedAgainAndAgain) {
  Pair first = connect();
  EXPECT_FALSE(first.client.facts().resumed);
  std::optional<Session> session = end(first);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(session) << i;
    Pair next = connect(session);
    EXPECT_TRUE(next.client.facts().resumed) << i;
    EXPECT_TRUE(next.server.facts().resumed) << i;
    EXPECT_TRUE(next.client.facts().verified) << i;
    session = end(next);
  }
}

TEST_P(SessionTest, SurvivesAConnectionThatWasCutOff) {
  std::optional<Session> session;
  {
    Pair first = connect();
    session = end(first);
  }
  EXPECT_TRUE(connect(session).client.facts().resumed);
}

TEST_P(SessionTest, SurvivesACloseOfBothSides) {
  std::optional<Session> session;
  {
    Pair first = connect();
    first.client.close();
    first.server.close();
    first.pump();
    session = first.client.take_session();
  }
  EXPECT_TRUE(connect(session).client.facts().resumed);
}

TEST_P(SessionTest, IsTakenOnce) {
  Pair first = connect();
  std::optional<Session> session = end(first);
  EXPECT_TRUE(session);
  EXPECT_FALSE(first.client.take_session());
  Pair second = connect(session);
  EXPECT_TRUE(end(second));
  EXPECT_FALSE(second.client.take_session());
}

TEST_P(SessionTest, AServerHasNoneToGive) {
  Pair first = connect();
  EXPECT_FALSE(first.server.take_session());
}

TEST_P(SessionTest, IsNotResumedUnderAnotherContext) {
  Pair unverified = connect(any_client(), std::nullopt);
  const std::optional<Session> session = end(unverified);
  ASSERT_TRUE(session);
  const Pair verified = connect(client_, session);
  EXPECT_FALSE(verified.client.facts().resumed);
  EXPECT_TRUE(verified.client.facts().verified);
}

TEST_P(SessionTest, IsNotResumedForAnotherName) {
  Pair first = connect();
  const std::optional<Session> session = end(first);
  EXPECT_FALSE(connect(session, "mx2.example").client.facts().resumed);
  EXPECT_TRUE(connect(session, "mx.example").client.facts().resumed);
}

TEST_P(SessionTest, AServerThatForgotItMakesAFullHandshake) {
  Pair first = connect();
  const std::optional<Session> session = end(first);
  server_ = server_context(files_);  // as after a restart: other ticket keys
  const Pair second = connect(session);
  EXPECT_FALSE(second.client.facts().resumed);
  EXPECT_TRUE(second.client.facts().verified);
}

TEST_P(SessionTest, SurvivesTheServersRenewal) {
  Pair first = connect();
  std::optional<Session> session = end(first);
  for (int i = 0; i < 2; ++i) {
    const IdentityFiles renewed(std::vector<std::string>{"mx.example"});
    server_ = Context::server(renewed.server, {}, server_.get()).value();
    Pair next = connect(session);
    EXPECT_TRUE(next.client.facts().resumed) << i;
    session = end(next);
  }
}

TEST_P(SessionTest, AFailedConnectionGivesNone) {
  Pair first = connect();
  first.client.receive("garbage", first.client_got);
  EXPECT_EQ(first.client.state(), Engine::State::kFailed);
  EXPECT_FALSE(first.client.take_session());
}

TEST_P(SessionTest, CanBeMoved) {
  Pair first = connect();
  Session session = std::move(*end(first));
  Session other(std::move(session));
  session = std::move(other);
  EXPECT_TRUE(connect(std::optional<Session>(std::move(session))).client.facts().resumed);
}

TEST(SessionBeforeTheFirstReply, ATls13ServerGivesOneTicket) {
  const IdentityFiles files;
  Pair both(Engine::server(server_context(files)), Engine::client(any_client(), "mx.example"));
  both.pump();
  EXPECT_TRUE(both.client.take_session());
  EXPECT_FALSE(both.client.take_session());
}

}  // namespace
}  // namespace postrider::tls
