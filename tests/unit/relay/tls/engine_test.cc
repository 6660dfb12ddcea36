#include "relay/tls/engine.h"

#include <array>
#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "relay/tls/openssl.h"
#include "tests/unit/relay/tls/tls_fixture.h"

namespace postrider::tls {
namespace {

using State = Engine::State;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class EngineTest : public testing::Test {
 protected:
  Pair pair(std::uint64_t seed = 1) {
    return {Engine::server(server_), Engine::client(client_, "mx.example"), seed};
  }

  Pair connected() {
    Pair both = pair();
    both.pump();
    EXPECT_TRUE(both.both_open()) << both.server.error() << both.client.error();
    return both;
  }

  IdentityFiles files_;
  std::shared_ptr<const Context> server_ = server_context(files_);
  std::shared_ptr<const Context> client_ = any_client();
};

std::string random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  SeededRandom(7).fill(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

TEST_F(EngineTest, CarriesTextBothWays) {
  Pair both = connected();
  both.client.send("EHLO me\r\n");
  both.server.send("250 you\r\n");
  both.pump();
  EXPECT_EQ(both.server_got, "EHLO me\r\n");
  EXPECT_EQ(both.client_got, "250 you\r\n");
}

TEST_F(EngineTest, TellsTheFacts) {
  const Pair both = connected();
  EXPECT_EQ(both.client.facts().version, "TLSv1.3");
  EXPECT_EQ(both.client.facts().cipher, "TLS_AES_256_GCM_SHA384");
  EXPECT_FALSE(both.client.facts().resumed);
  EXPECT_FALSE(both.client.facts().verified);
  EXPECT_EQ(both.client.facts().verify_error, "");
  EXPECT_EQ(both.server.facts().version, "TLSv1.3");
}

TEST_F(EngineTest, AnySplitOfTheBytesGivesTheSame) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Pair both = pair(seed);
    both.pump(1 + seed * seed);
    ASSERT_TRUE(both.both_open());
    const std::string sent = random_bytes(40'000);
    both.client.send(sent);
    both.server.send("250 ok\r\n");
    both.pump(1 + seed * 100);
    EXPECT_EQ(both.server_got, sent);
    EXPECT_EQ(both.client_got, "250 ok\r\n");
  }
}

TEST_F(EngineTest, TextBehindTheLastHandshakeMessageIsNotLost) {
  Pair both = pair();
  std::string nothing;
  both.client.receive("", nothing);
  both.server.receive(both.client.take_output(), nothing);
  both.client.receive(both.server.take_output(), nothing);
  ASSERT_EQ(both.client.state(), State::kOpen);
  both.client.send("EHLO early\r\n");
  both.server.receive(both.client.take_output(), both.server_got);
  EXPECT_EQ(both.server_got, "EHLO early\r\n");
}

TEST_F(EngineTest, CarriesEightMebibytes) {
  Pair both = connected();
  const std::string sent = random_bytes(8U << 20);
  both.client.send(sent);
  both.pump(65536);
  EXPECT_TRUE(both.server_got == sent);
  EXPECT_EQ(both.server_got.size(), sent.size());
}

TEST_F(EngineTest, AppendsToWhatIsThere) {
  Pair both = connected();
  both.server_got = "before ";
  both.client.send("after");
  both.pump();
  EXPECT_EQ(both.server_got, "before after");
}

TEST_F(EngineTest, YieldsNoMoreTextThanItsInputHeld) {
  Pair both = connected();
  both.client.send(random_bytes(16384));
  const std::string record = both.client.take_output();
  std::string plain;
  both.server.receive(record.substr(0, record.size() - 1), plain);
  EXPECT_EQ(plain, "");
  both.server.receive(record.substr(record.size() - 1), plain);
  EXPECT_EQ(plain.size(), 16384U);
}

TEST_F(EngineTest, HandsEachByteOfOutputOverOnce) {
  Pair both = connected();
  both.client.send("x");
  EXPECT_NE(both.client.take_output(), "");
  EXPECT_EQ(both.client.take_output(), "");
}

TEST_F(EngineTest, SendingNothingMakesNoRecord) {
  Pair both = connected();
  both.client.send("");
  EXPECT_EQ(both.client.take_output(), "");
}

TEST_F(EngineTest, ASendBeforeTheHandshakeIsOurBug) {
  Pair both = pair();
  EXPECT_DEATH(both.client.send("x"), "before the handshake");
}

TEST_F(EngineTest, CanBeMoved) {
  Pair both = connected();
  Engine moved = std::move(both.client);
  moved.send("still here");
  both.server.receive(moved.take_output(), both.server_got);
  EXPECT_EQ(both.server_got, "still here");
}

// Closing.

TEST_F(EngineTest, TellsThatThePeerClosed) {
  Pair both = connected();
  both.client.send("QUIT\r\n");
  both.client.close();
  both.pump();
  EXPECT_EQ(both.server.state(), State::kPeerClosed);
  EXPECT_EQ(both.server_got, "QUIT\r\n");
  EXPECT_EQ(both.client.state(), State::kOpen);
}

TEST_F(EngineTest, ClosesOnce) {
  Pair both = connected();
  both.client.close();
  EXPECT_NE(both.client.take_output(), "");
  both.client.close();
  EXPECT_EQ(both.client.take_output(), "");
}

TEST_F(EngineTest, StillReadsAfterItsOwnClose) {
  Pair both = connected();
  both.client.close();
  both.server.send("221 bye\r\n");
  both.pump();
  EXPECT_EQ(both.client_got, "221 bye\r\n");
}

TEST_F(EngineTest, APeerThatClosedItsOwnDirectionIsStillAnswered) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_max_proto_version(client_->raw(), version);
    Pair both = connected();
    both.client.close();
    both.pump();
    both.server.send("250 ok\r\n");
    EXPECT_EQ(both.server.state(), State::kPeerClosed);
    both.server.close();
    both.pump();
    EXPECT_EQ(both.client_got, "250 ok\r\n");
    EXPECT_EQ(both.client.state(), State::kPeerClosed);
  }
}

TEST_F(EngineTest, NothingIsSentAfterItsOwnClose) {
  Pair both = connected();
  both.client.close();
  both.client.take_output();
  both.client.send("too late");
  EXPECT_EQ(both.client.take_output(), "");
}

TEST_F(EngineTest, WhatComesAfterThePeersCloseIsIgnored) {
  Pair both = connected();
  both.client.close();
  both.pump();
  EXPECT_EQ(both.server.receive("garbage", both.server_got), State::kPeerClosed);
  EXPECT_EQ(both.server_got, "");
}

TEST_F(EngineTest, ClosingAnUnfinishedHandshakeSaysNothing) {
  Pair both = pair();
  both.server.close();
  EXPECT_EQ(both.server.take_output(), "");
}

// What is no TLS.

TEST_F(EngineTest, AServersPlaintextIsShown) {
  Pair both = pair();
  both.client.receive("454 4.7.0 TLS not available due to temporary reason\r\nmore",
                      both.client_got);
  EXPECT_EQ(both.client.state(), State::kFailed);
  EXPECT_EQ(both.client.error(),
            "the server sent plaintext where TLS was expected: "
            "\"454 4.7.0 TLS not available due to temporary reason\"");
  EXPECT_EQ(both.client_got, "");
}

TEST_F(EngineTest, OfAClientsPlaintextOnlyTheFirstWordIsShown) {
  Pair both = pair();
  both.server.receive("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", both.server_got);
  EXPECT_EQ(both.server.error(), "the client sent plaintext where TLS was expected: \"AUTH\"");
  Pair web = pair();
  web.server.receive("GET / HTTP/1.1\r\nHost: x\r\n\r\n", web.server_got);
  EXPECT_EQ(web.server.error(), "the client sent plaintext where TLS was expected: \"GET\"");
}

TEST_F(EngineTest, PlaintextInPiecesIsShownToo) {
  Pair both = pair();
  for (const char c : std::string("220 mx ESMTP\r\n")) {
    both.client.receive(std::string(1, c), both.client_got);
  }
  EXPECT_THAT(both.client.error(), HasSubstr("plaintext where TLS was expected: \"220"));
}

TEST_F(EngineTest, ControlCharactersOfAPeerAreEscaped) {
  Pair both = pair();
  both.client.receive("\x1b[2J evil\r\n", both.client_got);
  EXPECT_THAT(both.client.error(), AllOf(HasSubstr("\\x1b"), Not(HasSubstr("\x1b"))));
}

TEST_F(EngineTest, GarbageFailsInWords) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::string garbage(300, '\0');
    SeededRandom(seed).fill(std::as_writable_bytes(std::span(garbage)));
    Pair both = pair();
    const State state = both.server.receive(garbage, both.server_got);
    EXPECT_EQ(both.server.error().empty(), state != State::kFailed);
    EXPECT_NE(state, State::kOpen);
    EXPECT_EQ(both.server_got, "");
  }
}

TEST_F(EngineTest, AChangedRecordEndsTheConnection) {
  Pair both = connected();
  both.client.send("MAIL FROM:<a@b>\r\n");
  std::string record = both.client.take_output();
  record.back() = static_cast<char>(record.back() ^ 1);
  EXPECT_EQ(both.server.receive(record, both.server_got), State::kFailed);
  EXPECT_THAT(both.server.error(), HasSubstr("bad record mac"));
  EXPECT_EQ(both.server_got, "");
  both.client.receive(both.server.take_output(), both.client_got);
  EXPECT_EQ(both.client.error(), "the peer sent a TLS alert: bad record mac");
}

TEST_F(EngineTest, PlaintextInjectedIntoAnOpenConnectionIsNotDelivered) {
  Pair both = connected();
  both.client.receive("250 injected\r\n", both.client_got);
  EXPECT_EQ(both.client.state(), State::kFailed);
  EXPECT_THAT(both.client.error(), HasSubstr("no TLS record"));
  EXPECT_EQ(both.client_got, "");
}

TEST_F(EngineTest, AFailedEngineStaysFailed) {
  Pair both = pair();
  both.server.receive("GET / HTTP/1.0\r\n", both.server_got);
  const std::string error = both.server.error();
  both.client.receive("", both.client_got);
  EXPECT_EQ(both.server.receive(both.client.take_output(), both.server_got), State::kFailed);
  both.server.send("x");
  both.server.close();
  EXPECT_EQ(both.server.error(), error);
}

TEST_F(EngineTest, EveryTruncationOfAHandshakeWaitsForMore) {
  Pair whole = pair();
  std::string nothing;
  whole.client.receive("", nothing);
  const std::string hello = whole.client.take_output();
  for (std::size_t size = 0; size < hello.size(); ++size) {
    Engine server = Engine::server(server_);
    ASSERT_EQ(server.receive(hello.substr(0, size), nothing), State::kHandshaking) << size;
    ASSERT_EQ(server.take_output(), "") << size;
  }
}

// Versions and ciphers.

TEST_F(EngineTest, SpeaksTls12WithForwardSecrecy) {
  SSL_CTX_set_max_proto_version(client_->raw(), TLS1_2_VERSION);
  const Pair both = connected();
  EXPECT_EQ(both.client.facts().version, "TLSv1.2");
  EXPECT_THAT(both.client.facts().cipher, StartsWith("ECDHE-"));
}

TEST_F(EngineTest, RefusesOlderVersions) {
  SSL_CTX_set_min_proto_version(client_->raw(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(client_->raw(), TLS1_1_VERSION);
  SSL_CTX_set_cipher_list(client_->raw(), "ALL:@SECLEVEL=0");
  Pair both = pair();
  both.pump();
  EXPECT_EQ(both.server.error(), "unsupported protocol; TLS 1.2 or later is required here");
  EXPECT_THAT(both.client.error(), StartsWith("the peer sent a TLS alert: protocol version"));
}

TEST_F(EngineTest, TheServersOrderOfCiphersWins) {
  SSL_CTX_set_max_proto_version(client_->raw(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(client_->raw(), "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-GCM-SHA384");
  EXPECT_EQ(connected().client.facts().cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
}

TEST_F(EngineTest, RefusesAClientWithoutForwardSecrecy) {
  SSL_CTX_set_max_proto_version(client_->raw(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(client_->raw(), "AES128-GCM-SHA256");
  Pair both = pair();
  both.pump();
  EXPECT_THAT(both.server.error(), HasSubstr("forward secrecy is required"));
}

// A client of OpenSSL's own, which may do what Engine never does.
class RawClient {
 public:
  explicit RawClient(const Context& context) : ssl_(SSL_new(context.raw()), SSL_free) {
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
    SSL_set_app_data(ssl_.get(), &notes_);
  }

  SSL* ssl() { return ssl_.get(); }

  // Why it failed, 0 if it did not.
  [[nodiscard]] int reason() const { return reason_; }

  void exchange(Engine& server) {
    std::string plain;
    std::array<char, 65536> bytes{};
    for (int round = 0; round < 4; ++round) {
      ERR_clear_error();
      SSL_do_handshake(ssl_.get());
      if (reason_ == 0) reason_ = ERR_GET_REASON(ERR_peek_last_error());
      const int count = BIO_read(SSL_get_wbio(ssl_.get()), bytes.data(), bytes.size());
      if (count > 0) server.receive({bytes.data(), static_cast<std::size_t>(count)}, plain);
      const std::string reply = server.take_output();
      BIO_write(SSL_get_rbio(ssl_.get()), reply.data(), static_cast<int>(reply.size()));
    }
  }

 private:
  ClientNotes notes_;
  int reason_ = 0;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
};

TEST_F(EngineTest, AClientMayNotRenegotiate) {
  SSL_CTX_set_max_proto_version(client_->raw(), TLS1_2_VERSION);
  SSL_CTX_clear_options(client_->raw(), SSL_OP_NO_RENEGOTIATION);
  Engine server = Engine::server(server_);
  RawClient client(*client_);
  client.exchange(server);
  ASSERT_EQ(server.state(), State::kOpen) << server.error();
  ASSERT_EQ(SSL_renegotiate(client.ssl()), 1);
  client.exchange(server);
  EXPECT_EQ(client.reason(), SSL_R_NO_RENEGOTIATION);
}

TEST_F(EngineTest, TellsTheServerItsName) {
  std::string seen;
  SSL_CTX_set_tlsext_servername_arg(server_->raw(), &seen);
  int (*const note)(SSL*, int*, void*) = [](SSL* ssl, int*, void* into) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    *static_cast<std::string*>(into) = name == nullptr ? "none" : name;
    return SSL_TLSEXT_ERR_OK;
  };
  SSL_CTX_callback_ctrl(server_->raw(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(note));
  const auto name_for = [&](std::string_view name) {
    Pair both(Engine::server(server_), Engine::client(client_, name));
    both.pump();
    EXPECT_TRUE(both.both_open());
    return seen;
  };
  EXPECT_EQ(name_for("mx.example"), "mx.example");
  EXPECT_EQ(name_for("mx.example."), "mx.example");
  EXPECT_EQ(name_for(""), "none");
  EXPECT_EQ(name_for("192.0.2.1"), "none");
  EXPECT_EQ(name_for("2001:db8::1"), "none");
}

}  // namespace
}  // namespace postrider::tls
