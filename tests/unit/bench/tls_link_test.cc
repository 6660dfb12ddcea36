#include "bench/tls_link.h"

#include <gmock/gmock.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

namespace postrider::bench {
namespace {

using testing::HasSubstr;

class TlsLinkTest : public testing::Test {
 protected:
  // Carries bytes between the two until neither has any.
  void exchange(TlsLink& client, TlsLink& server) {
    for (int i = 0; i < 10; ++i) {
      server.receive(client.take_output(), at_server);
      client.receive(server.take_output(), at_client);
    }
  }

  std::unique_ptr<CertificateAuthority> authority = *CertificateAuthority::create();
  TlsContext server_context = *TlsContext::server(*authority);
  TlsContext client_context = *TlsContext::client();
  std::string at_server;
  std::string at_client;
};

TEST_F(TlsLinkTest, CarriesBytesBothWays) {
  auto server = *TlsLink::accept(server_context, "mx1.a.test", CertificateKind::kGood);
  auto client = *TlsLink::connect(client_context, "mx1.a.test");
  exchange(*client, *server);
  ASSERT_EQ(client->state(), TlsLink::State::kOpen);
  ASSERT_EQ(server->state(), TlsLink::State::kOpen);
  EXPECT_EQ(server->facts().version, "TLSv1.3");
  EXPECT_FALSE(server->facts().resumed);
  const std::string large(300'000, 'x');
  client->write(large);
  server->write("short");
  exchange(*client, *server);
  EXPECT_EQ(at_server, large);
  EXPECT_EQ(at_client, "short");
}

TEST_F(TlsLinkTest, AnySplitIsTheSame) {
  auto server = *TlsLink::accept(server_context, "mx1.a.test", CertificateKind::kGood);
  auto client = *TlsLink::connect(client_context, "");
  for (int i = 0; i < 4; ++i) {
    for (const char c : client->take_output()) server->receive({&c, 1}, at_server);
    for (const char c : server->take_output()) client->receive({&c, 1}, at_client);
  }
  ASSERT_EQ(server->state(), TlsLink::State::kOpen);
  client->write("hello");
  for (const char c : client->take_output()) server->receive({&c, 1}, at_server);
  EXPECT_EQ(at_server, "hello");
}

TEST_F(TlsLinkTest, RubbishFails) {
  auto server = *TlsLink::accept(server_context, "a.test", CertificateKind::kGood);
  server->receive("EHLO this is no TLS\r\n", at_server);
  EXPECT_EQ(server->state(), TlsLink::State::kFailed);
  EXPECT_THAT(server->failure_text(), HasSubstr("handshake"));
}

TEST_F(TlsLinkTest, AnEndIsTold) {
  auto server = *TlsLink::accept(server_context, "a.test", CertificateKind::kGood);
  auto client = *TlsLink::connect(client_context, "");
  exchange(*client, *server);
  server->finish();
  exchange(*client, *server);
  EXPECT_EQ(client->state(), TlsLink::State::kEnded);
}

// A client that counts the sessions it may resume.
class CountingClient {
 public:
  explicit CountingClient(int version) {
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    SSL_CTX_sess_set_new_cb(context_.get(), [](SSL*, SSL_SESSION*) { return ++given, 0; });
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
  }

  // How many it was given on a connection to `server`.
  int sessions_from(TlsLink& server) {
    given = 0;
    std::string nothing;
    for (int i = 0; i < 10; ++i) {
      char byte = 0;
      SSL_read(ssl_.get(), &byte, 1);
      std::string flight(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())), '\0');
      BIO_read(SSL_get_wbio(ssl_.get()), flight.data(), static_cast<int>(flight.size()));
      server.receive(flight, nothing);
      const std::string answer = server.take_output();
      BIO_write(SSL_get_rbio(ssl_.get()), answer.data(), static_cast<int>(answer.size()));
    }
    EXPECT_EQ(server.state(), TlsLink::State::kOpen);
    return given;
  }

 private:
  static inline int given = 0;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{SSL_CTX_new(TLS_client_method()),
                                                        SSL_CTX_free};
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_{SSL_new(context_.get()), SSL_free};
};

TEST_F(TlsLinkTest, TicketsAreGivenUnlessTheyAreNotTo) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto server = *TlsLink::accept(server_context, "a.test", CertificateKind::kGood);
    EXPECT_GT(CountingClient(version).sessions_from(*server), 0) << version;
    auto without = *TlsLink::accept(server_context, "a.test", CertificateKind::kGood);
    without->give_no_tickets();
    EXPECT_EQ(CountingClient(version).sessions_from(*without), 0) << version;
  }
}

class CertificateTest : public testing::Test {
 protected:
  // X509_V_OK, or why a client with our CA would refuse the certificate for `name`.
  int verdict(CertificateKind kind, const std::string& name) {
    const auto leaf = *authority->leaf("mx1.a.test", kind);
    const std::string pem = *authority->pem();
    const std::unique_ptr<BIO, int (*)(BIO*)> bio(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
    const std::unique_ptr<X509, void (*)(X509*)> ca(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    const std::unique_ptr<X509_STORE, void (*)(X509_STORE*)> store(X509_STORE_new(),
                                                                   X509_STORE_free);
    X509_STORE_add_cert(store.get(), ca.get());
    const std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)> context(X509_STORE_CTX_new(),
                                                                             X509_STORE_CTX_free);
    X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
    X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(context.get()), name.data(), name.size());
    X509_verify_cert(context.get());
    return X509_STORE_CTX_get_error(context.get());
  }

  std::unique_ptr<CertificateAuthority> authority = *CertificateAuthority::create();
};

TEST_F(CertificateTest, EachKindGetsItsVerdict) {
  EXPECT_EQ(verdict(CertificateKind::kGood, "mx1.a.test"), X509_V_OK);
  EXPECT_EQ(verdict(CertificateKind::kGood, "mx1.b.test"), X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(verdict(CertificateKind::kWrongName, "mx1.a.test"), X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(verdict(CertificateKind::kExpired, "mx1.a.test"), X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_EQ(verdict(CertificateKind::kSelfSigned, "mx1.a.test"),
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
}

TEST_F(CertificateTest, LeavesAreKeptAndForeignTextIsNoName) {
  const auto kind = CertificateKind::kGood;
  EXPECT_EQ(authority->leaf("A.test", kind)->get(), authority->leaf("a.test", kind)->get());
  EXPECT_EQ(authority->leaf("a,DNS:b", kind)->get(), authority->leaf("", kind)->get());
}

}  // namespace
}  // namespace postrider::bench
