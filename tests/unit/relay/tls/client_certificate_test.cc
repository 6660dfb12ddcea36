// A server that asks for its clients' certificates, engine against engine.
#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include "tests/unit/relay/tls/authority_fixture.h"
#include "tests/unit/relay/tls/tls_fixture.h"

namespace postrider::tls {
namespace {

using State = Engine::State;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

class ClientCertificateTest : public testing::Test {
 protected:
  // A client that shows `identity` if it is asked.
  std::shared_ptr<const Context> showing(const GeneratedIdentity& identity) {
    auto context = any_client();
    const std::string chain = directory_.write("client.pem", identity.certificate_pem);
    const std::string key = directory_.write("client-key.pem", identity.key_pem);
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context->raw(), chain.c_str()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context->raw(), key.c_str(), SSL_FILETYPE_PEM), 1);
    return context;
  }

  std::shared_ptr<const Context> asking(bool required = false) {
    return Context::server(server_.server, {directory_.write("ca.pem", authority_.pem()), required})
        .value();
  }

  Pair meet(const std::shared_ptr<const Context>& server,
            const std::shared_ptr<const Context>& client) {
    Pair both(Engine::server(server), Engine::client(client, "mx.example"));
    both.pump();
    return both;
  }

  Facts facts_of(const GeneratedIdentity& identity, bool required = false) {
    const Pair both = meet(asking(required), showing(identity));
    EXPECT_TRUE(both.both_open()) << both.server.error();
    return both.server.facts();
  }

  Authority authority_;
  TempDirectory directory_;
  IdentityFiles server_;
};

TEST_F(ClientCertificateTest, NamesTheHolderOfAGoodOne) {
  for (const bool required : {false, true}) {
    const Facts facts = facts_of(
        authority_.issue(
            {.name = "app", .alternatives = "DNS:App1.Example,email:App@example.org,IP:192.0.2.1"}),
        required);
    EXPECT_TRUE(facts.verified);
    EXPECT_EQ(facts.verify_error, "");
    EXPECT_THAT(facts.names, UnorderedElementsAre(testing::MatchesRegex("sha256:[0-9a-f]{64}"),
                                                  "dns:app1.example", "email:App@example.org"));
  }
}

TEST_F(ClientCertificateTest, NoneIsFineWhereNoneIsRequired) {
  const Pair both = meet(asking(), any_client());
  EXPECT_TRUE(both.both_open());
  EXPECT_FALSE(both.server.facts().verified);
  EXPECT_THAT(both.server.facts().names, IsEmpty());
}

TEST_F(ClientCertificateTest, NoneIsNotWhereOneIsRequired) {
  const Pair both = meet(asking(true), any_client());
  EXPECT_EQ(both.server.state(), State::kFailed);
  EXPECT_THAT(both.server.error(), HasSubstr("did not return a certificate"));
}

// Of another authority, out of its time, or for servers only.
TEST_F(ClientCertificateTest, ABadOneNamesNobody) {
  const Authority stranger("Another Authority");
  const GeneratedIdentity bad[] = {
      stranger.issue({.name = "app.example"}),
      authority_.issue({.name = "app.example", .from_days = -5, .to_days = -1}),
      authority_.issue({.name = "app.example", .usage = "serverAuth"}),
      generate_identity({"app.example"}, 1).value(),
  };
  for (const GeneratedIdentity& identity : bad) {
    const Facts facts = facts_of(identity);
    EXPECT_FALSE(facts.verified);
    EXPECT_THAT(facts.names, IsEmpty());
    EXPECT_NE(facts.verify_error, "");
    const Pair both = meet(asking(true), showing(identity));
    EXPECT_EQ(both.server.state(), State::kFailed);
    EXPECT_THAT(both.server.error(), HasSubstr("certificate verification failed"));
  }
}

TEST_F(ClientCertificateTest, WhereNoneIsAskedForNoneIsSeen) {
  const Pair both = meet(server_context(server_), showing(authority_.issue()));
  EXPECT_TRUE(both.both_open());
  EXPECT_FALSE(both.server.facts().verified);
  EXPECT_THAT(both.server.facts().names, IsEmpty());
}

// Each connection shows its own: what one proved does not hold for the next.
TEST_F(ClientCertificateTest, NoSessionIsResumed) {
  const auto server = asking();
  const auto client = showing(authority_.issue());
  Pair first = meet(server, client);
  EXPECT_FALSE(first.client.take_session());
}

TEST_F(ClientCertificateTest, ABadFileIsAnError) {
  const auto missing = Context::server(server_.server, {directory_.path("none.pem"), false});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().text(), HasSubstr("none.pem"));
}

}  // namespace
}  // namespace postrider::tls
