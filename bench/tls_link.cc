#include "bench/tls_link.h"

#include <algorithm>
#include <array>
#include <climits>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <utility>

namespace postrider::bench {

namespace {

Result<std::shared_ptr<SSL_CTX>> make_context(const SSL_METHOD* method) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(method), SSL_CTX_free);
  if (!context) return openssl_failure("making a TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  return context;
}

}  // namespace

Result<TlsContext> TlsContext::server(CertificateAuthority& authority) {
  auto context = make_context(TLS_server_method());
  if (!context) return failure(context.error());
  static constexpr std::string_view kSessions = "postrider-sim";
  SSL_CTX_set_session_id_context(context->get(),
                                 reinterpret_cast<const unsigned char*>(kSessions.data()),
                                 static_cast<unsigned>(kSessions.size()));
  SSL_CTX_set_session_cache_mode(context->get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_cert_cb(context->get(), &TlsLink::choose_certificate, &authority);
  return TlsContext(*std::move(context));
}

Result<TlsContext> TlsContext::client() {
  auto context = make_context(TLS_client_method());
  if (!context) return failure(context.error());
  SSL_CTX_set_verify(context->get(), SSL_VERIFY_NONE, nullptr);
  return TlsContext(*std::move(context));
}

TlsLink::TlsLink(std::shared_ptr<SSL_CTX> context)
    : context_(std::move(context)), ssl_(SSL_new(context_.get()), SSL_free) {}

// Runs during the handshake, when the name the client asks for is known.
int TlsLink::choose_certificate(SSL* ssl, void* authority) noexcept {
  const auto* const identity = static_cast<const Identity*>(SSL_get_app_data(ssl));
  const char* const asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  auto& issuer = *static_cast<CertificateAuthority*>(authority);
  const auto leaf = issuer.leaf(asked != nullptr ? asked : identity->name, identity->kind);
  if (!leaf) return 0;
  return SSL_use_certificate(ssl, leaf->get()) == 1 &&
                 SSL_use_PrivateKey(ssl, issuer.leaf_key().get()) == 1
             ? 1
             : 0;
}

Result<std::unique_ptr<TlsLink>> TlsLink::accept(const TlsContext& context, std::string name,
                                                 CertificateKind kind) {
  std::unique_ptr<TlsLink> link(new TlsLink(context.context_));
  BIO* const input = BIO_new(BIO_s_mem());
  BIO* const output = BIO_new(BIO_s_mem());
  if (!link->ssl_ || input == nullptr || output == nullptr) {
    BIO_free(input);
    BIO_free(output);
    return openssl_failure("making a TLS connection");
  }
  SSL_set_bio(link->ssl_.get(), input, output);
  link->identity_ = std::make_unique<Identity>(Identity{std::move(name), kind});
  SSL_set_app_data(link->ssl_.get(), link->identity_.get());
  SSL_set_accept_state(link->ssl_.get());
  return link;
}

Result<std::unique_ptr<TlsLink>> TlsLink::connect(const TlsContext& context,
                                                  const std::string& server_name) {
  auto link = accept(context, server_name, CertificateKind::kGood);
  if (!link) return link;
  SSL* const ssl = (*link)->ssl_.get();
  SSL_set_connect_state(ssl);
  // SSL_set_tlsext_host_name() is a macro with an old-style cast around this call.
  std::string name = server_name;
  if (!name.empty() &&
      SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) != 1) {
    return openssl_failure("asking for " + server_name);
  }
  (*link)->handshake();
  return link;
}

void TlsLink::give_no_tickets() {
  SSL_set_options(ssl_.get(), SSL_OP_NO_TICKET);
  SSL_set_num_tickets(ssl_.get(), 0);  // of TLS 1.3, which has them without that extension
}

void TlsLink::receive(std::string_view bytes, std::string& plain) {
  while (!bytes.empty() && state_ != State::kFailed && state_ != State::kEnded) {
    const std::size_t part = std::min<std::size_t>(bytes.size(), INT_MAX);
    BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(part));
    bytes.remove_prefix(part);
    if (state_ == State::kHandshake) handshake();
    if (state_ == State::kOpen) read_all(plain);
  }
}

void TlsLink::handshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    state_ = State::kOpen;
  } else {
    fail(result, "handshake");
  }
}

void TlsLink::read_all(std::string& plain) {
  while (true) {
    // One record holds at most 16 KiB (RFC 8446 section 5.1).
    static constexpr std::size_t kRecord = std::size_t{16} * 1024;
    const std::size_t before = plain.size();
    plain.resize(before + kRecord);
    const int count = SSL_read(ssl_.get(), plain.data() + before, kRecord);
    plain.resize(before + static_cast<std::size_t>(std::max(count, 0)));
    if (count > 0) continue;
    fail(count, "reading");
    return;
  }
}

void TlsLink::fail(int result, std::string_view what) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return;
    case SSL_ERROR_ZERO_RETURN:
      state_ = State::kEnded;
      return;
    default:
      state_ = State::kFailed;
      failure_ = openssl_failure(what).value().text();
  }
}

void TlsLink::write(std::string_view plain) {
  while (!plain.empty() && state_ == State::kOpen) {
    const std::size_t part = std::min<std::size_t>(plain.size(), INT_MAX);
    const int count = SSL_write(ssl_.get(), plain.data(), static_cast<int>(part));
    if (count <= 0) {
      fail(count, "writing");
      return;
    }
    plain.remove_prefix(static_cast<std::size_t>(count));
  }
}

void TlsLink::finish() {
  if (state_ == State::kOpen) SSL_shutdown(ssl_.get());
}

std::string TlsLink::take_output() {
  BIO* const output = SSL_get_wbio(ssl_.get());
  std::string bytes(BIO_ctrl_pending(output), '\0');
  if (!bytes.empty()) BIO_read(output, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

TlsFacts TlsLink::facts() const {
  return {SSL_get_version(ssl_.get()), SSL_get_cipher_name(ssl_.get()),
          SSL_session_reused(ssl_.get()) == 1};
}

}  // namespace postrider::bench
