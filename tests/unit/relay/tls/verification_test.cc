// The client's judgement of certificates, engine against engine.
#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include "tests/unit/relay/tls/authority_fixture.h"
#include "tests/unit/relay/tls/tls_fixture.h"

namespace postrider::tls {
namespace {

using State = Engine::State;
using testing::HasSubstr;

class VerificationTest : public testing::Test {
 protected:
  // A client that trusts authority_ and expects `name`, against a server with `identity`.
  Pair meet(const GeneratedIdentity& identity, std::string_view name = "mx.example") {
    const IdentityFiles files(identity);
    const auto trust = verifying_client(directory_.write("ca.pem", authority_.pem()));
    Pair both(Engine::server(server_context(files)), Engine::client(trust, name));
    both.pump();
    return both;
  }

  std::string error_for(const IssueOptions& leaf, std::string_view name = "mx.example") {
    const Pair both = meet(authority_.issue(leaf), name);
    EXPECT_EQ(both.client.state(), State::kFailed);
    EXPECT_NE(both.server.state(), State::kOpen);
    return both.client.error();
  }

  Authority authority_;
  TempDirectory directory_;
};

TEST_F(VerificationTest, AcceptsAChainToATrustedAuthority) {
  const Pair both = meet(authority_.issue());
  EXPECT_TRUE(both.both_open()) << both.client.error();
  EXPECT_TRUE(both.client.facts().verified);
  EXPECT_EQ(both.client.facts().verify_error, "");
}

TEST_F(VerificationTest, ComparesNamesWithoutCaseAndFinalDot) {
  EXPECT_TRUE(meet(authority_.issue(), "MX.Example.").both_open());
}

TEST_F(VerificationTest, AcceptsAWildcardForOneLabel) {
  const auto wild = authority_.issue({.name = "*.mx.example"});
  EXPECT_TRUE(meet(wild, "a.mx.example").both_open());
  EXPECT_FALSE(meet(wild, "a.b.mx.example").both_open());
  EXPECT_FALSE(meet(wild, "mx.example").both_open());
}

TEST_F(VerificationTest, AWildcardForAPartOfALabelMatchesNothing) {
  EXPECT_FALSE(meet(authority_.issue({.name = "m*.mx.example"}), "mail.mx.example").both_open());
}

TEST_F(VerificationTest, RefusesAnotherName) {
  EXPECT_EQ(error_for({.name = "other.example"}),
            "certificate verification failed: the certificate is not for mx.example but for "
            "other.example");
}

TEST_F(VerificationTest, RefusesAnExpiredCertificate) {
  EXPECT_EQ(error_for({.from_days = -30, .to_days = -1}),
            "certificate verification failed: certificate has expired");
}

TEST_F(VerificationTest, RefusesACertificateFromTheFuture) {
  EXPECT_EQ(error_for({.from_days = 2, .to_days = 30}),
            "certificate verification failed: certificate is not yet valid");
}

TEST_F(VerificationTest, RefusesAnUnknownAuthority) {
  const Authority stranger("Somebody Else");
  const Pair both = meet(stranger.issue());
  EXPECT_THAT(both.client.error(), HasSubstr("certificate verification failed: unable to get"));
  EXPECT_THAT(both.client.facts().verify_error, HasSubstr("unable to get"));
  EXPECT_FALSE(both.client.facts().verified);
}

TEST_F(VerificationTest, RefusesASelfSignedCertificate) {
  const Pair both = meet(generate_identity({"mx.example"}, 30).value());
  EXPECT_THAT(both.client.error(), HasSubstr("self-signed certificate"));
}

TEST_F(VerificationTest, TellsTheServerByAnAlert) {
  EXPECT_EQ(meet(generate_identity({"mx.example"}, 30).value()).server.error(),
            "the peer sent a TLS alert: unknown CA");
  EXPECT_EQ(meet(authority_.issue({.from_days = -30, .to_days = -1})).server.error(),
            "the peer sent a TLS alert: certificate expired");
}

TEST_F(VerificationTest, TrustsAServersOwnCertificateWhereItIsListed) {
  const IdentityFiles files;
  const auto trust = verifying_client(files.server.certificate_file);
  Pair both(Engine::server(server_context(files)), Engine::client(trust, "mx.example"));
  both.pump();
  EXPECT_TRUE(both.both_open()) << both.client.error();
  EXPECT_TRUE(both.client.facts().verified);
}

TEST_F(VerificationTest, ComparesAddressesWithAddresses) {
  const IdentityFiles files(std::vector<std::string>{"mx.example", "192.0.2.1"});
  const auto trust = verifying_client(files.server.certificate_file);
  Pair right(Engine::server(server_context(files)), Engine::client(trust, "192.0.2.1"));
  right.pump();
  EXPECT_TRUE(right.both_open()) << right.client.error();
  Pair wrong(Engine::server(server_context(files)), Engine::client(trust, "192.0.2.2"));
  wrong.pump();
  EXPECT_THAT(wrong.client.error(), HasSubstr("not for 192.0.2.2"));
}

TEST_F(VerificationTest, WithoutANameThereIsNothingToMatch) {
  const Pair both = meet(authority_.issue(), "");
  EXPECT_EQ(both.client.state(), State::kFailed);
  EXPECT_THAT(both.client.error(), HasSubstr("no name to verify"));
}

TEST_F(VerificationTest, ANameWithANulMatchesNothing) {
  const Pair both = meet(authority_.issue(), std::string_view("mx.example\0.evil", 16));
  EXPECT_EQ(both.client.error(), "the server's name cannot be used for TLS");
}

TEST_F(VerificationTest, ANameTooLongForTlsFails) {
  const Pair both = meet(authority_.issue(), std::string(300, 'a'));
  EXPECT_EQ(both.client.error(), "the server's name cannot be used for TLS");
}

TEST_F(VerificationTest, WithoutVerificationAnyCertificateWillDo) {
  const IdentityFiles files(authority_.issue({.name = "other", .from_days = -9, .to_days = -1}));
  Pair both(Engine::server(server_context(files)), Engine::client(any_client(), "mx.example"));
  both.pump();
  EXPECT_TRUE(both.both_open()) << both.client.error();
  EXPECT_FALSE(both.client.facts().verified);
  EXPECT_EQ(both.client.facts().verify_error, "");
}

}  // namespace
}  // namespace postrider::tls
