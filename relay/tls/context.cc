#include "relay/tls/context.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <openssl/err.h>
#include <unistd.h>
#include <utility>

#include "relay/tls/openssl.h"
#include "relay/tls/pem.h"

namespace postrider::tls {

namespace {

// Forward secrecy only, best first. TLS 1.3 has its own list, all of which qualifies.
constexpr const char* kServerCiphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!PSK@SECLEVEL=2";
constexpr const char* kVerifyingClientCiphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:"
    "!aNULL:!eNULL:!PSK@SECLEVEL=2";
// Where no certificate is checked, an old mail exchanger's small key is still better than the
// plaintext that a refusal would lead to (RFC 7435 section 3).
constexpr const char* kAnyClientCiphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:"
    "!aNULL:!eNULL:!PSK@SECLEVEL=1";

// How long a session may be resumed; it bounds how long a ticket key can betray old traffic.
constexpr long kSessionSeconds = 2L * 60 * 60;

// Where systems keep their CA bundle. One file, read at once: OpenSSL's own directory look-up would
// read the disk in the middle of a handshake, on a loop.
constexpr std::array<const char*, 4> kSystemBundles = {
    "/etc/ssl/certs/ca-certificates.crt",  // Debian and what derives from it
    "/etc/pki/tls/certs/ca-bundle.crt",    // Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",              // openSUSE
    "/etc/ssl/cert.pem",                   // Alpine
};

Result<ContextPtr> new_context(const SSL_METHOD* method, const char* ciphers) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(method));
  if (context == nullptr) return failure("cannot make a TLS context: " + drain_errors());
  SSL_CTX* raw = context.get();
  if (SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(raw, 0) != 1 || SSL_CTX_set_cipher_list(raw, ciphers) != 1) {
    return failure("cannot make a TLS context: " + drain_errors());
  }
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // An idle connection keeps no record buffers: about 30 KiB each.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_timeout(raw, kSessionSeconds);
  return context;
}

// The callbacks run within an engine's handshake or read, on its thread.
ClientNotes& notes_of(SSL* ssl) {
  return *static_cast<ClientNotes*>(SSL_get_app_data(ssl));
}

// 1: the reference is ours now.
int keep_session(SSL* ssl, SSL_SESSION* session) {
  notes_of(ssl).newest_session.reset(session);
  return 1;
}

// Leaves the verdict as it is. The certificate is kept for the error: OpenSSL itself forgets one
// that it refused.
int note_verdict(int good, X509_STORE_CTX* verification) {
  X509* leaf = X509_STORE_CTX_get0_cert(verification);
  void* ssl = X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx());
  if (good == 0 && leaf != nullptr && X509_up_ref(leaf) == 1) {
    notes_of(static_cast<SSL*>(ssl)).refused_leaf.reset(leaf);
  }
  return good;
}

Result<void> use_identity(SSL_CTX* context, const ServerIdentity& identity) {
  auto chain = read_certificates("certificate file", identity.certificate_file);
  if (!chain) return failure(chain.error());
  const auto key = read_key(identity.key_file);
  if (!key) return failure(key.error());
  ERR_clear_error();
  X509* leaf = chain->front().get();
  if (X509_check_private_key(leaf, key->get()) != 1) {
    ERR_clear_error();
    return failure("the key in " + identity.key_file + " does not belong to the certificate in " +
                   identity.certificate_file);
  }
  if (SSL_CTX_use_certificate(context, leaf) != 1) {
    return failure("cannot use certificate file " + identity.certificate_file + ": " +
                   drain_errors());
  }
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1) {
    return failure("cannot use key file " + identity.key_file + ": " + drain_errors());
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1) {
      return failure("cannot use certificate " + std::to_string(i + 1) + " of " +
                     identity.certificate_file + ": " + drain_errors());
    }
  }
  return {};
}

Result<std::string> system_bundle() {
  std::string searched;
  for (const char* path : kSystemBundles) {
    if (::access(path, R_OK) == 0) return std::string(path);
    searched += searched.empty() ? "" : ", ";
    searched += path;
  }
  return failure("this system has no readable bundle of CA certificates (looked for " + searched +
                 "): install ca-certificates, or name a CA file");
}

// The authorities of the file are trusted from now on.
Result<void> trust_file(SSL_CTX* context, const std::string& path) {
  const auto authorities = read_certificates("CA file", path);
  if (!authorities) return failure(authorities.error());
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  const bool is_server = SSL_CTX_get_ssl_method(context) == TLS_server_method();
  for (const CertificatePtr& authority : *authorities) {
    ERR_clear_error();
    // A server names them, so that the client finds the certificate that will do.
    const bool named = !is_server || SSL_CTX_add_client_CA(context, authority.get()) == 1;
    if (!named || X509_STORE_add_cert(store, authority.get()) != 1) {
      return failure("cannot use CA file " + path + ": " + drain_errors());
    }
  }
  // What the operator lists is trusted, be it a root, an intermediate, or one peer's own
  // certificate.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

Result<void> trust(SSL_CTX* context, const std::string& ca_file) {
  const auto path = ca_file.empty() ? system_bundle() : Result<std::string>(ca_file);
  if (!path) return failure(path.error());
  if (auto trusted = trust_file(context, *path); !trusted) return trusted;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_verdict);
  return {};
}

// The engine finds in its notes that the certificate is not to be believed.
int pass_any(int good, X509_STORE_CTX* verification) {
  note_verdict(good, verification);
  return 1;
}

Result<void> ask_clients(SSL_CTX* context, const ClientCertificates& clients) {
  if (clients.ca_file.empty()) return {};
  if (auto trusted = trust_file(context, clients.ca_file); !trusted) return trusted;
  // Where none is required, many clients have one for other purposes, and it does no harm.
  const int mode = SSL_VERIFY_PEER | (clients.required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
  SSL_CTX_set_verify(context, mode, clients.required ? note_verdict : pass_any);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  return {};
}

// Who holds a ticket made under `before` can use it under `context`.
Result<void> take_ticket_keys(SSL_CTX* context, SSL_CTX* before) {
  ERR_clear_error();
  const long size = SSL_CTX_get_tlsext_ticket_keys(before, nullptr, 0);
  std::vector<unsigned char> keys(static_cast<std::size_t>(std::max(0L, size)));
  const bool taken = SSL_CTX_get_tlsext_ticket_keys(before, keys.data(), size) == 1 &&
                     SSL_CTX_set_tlsext_ticket_keys(context, keys.data(), size) == 1;
  OPENSSL_cleanse(keys.data(), keys.size());
  if (!taken) return failure("cannot take over the keys of session tickets: " + drain_errors());
  return {};
}

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Context::Context(ssl_ctx_st* context, bool verifies_peer)
    : context_(context), verifies_peer_(verifies_peer), id_(next_id()) {}

Context::~Context() {
  SSL_CTX_free(context_);
}

Result<std::shared_ptr<const Context>> Context::server(const ServerIdentity& identity,
                                                       const ClientCertificates& clients,
                                                       const Context* before) {
  auto context = new_context(TLS_server_method(), kServerCiphers);
  if (!context) return failure(context.error());
  SSL_CTX* raw = context->get();
  if (auto used = use_identity(raw, identity); !used) return failure(used.error());
  SSL_CTX_set_options(raw, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // Tickets only: they cost the server no memory. One is what a client uses; each further one costs
  // 0.15 ms.
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 1);
  if (before != nullptr) {
    if (auto taken = take_ticket_keys(raw, before->raw()); !taken) return failure(taken.error());
  }
  if (auto asked = ask_clients(raw, clients); !asked) return failure(asked.error());
  const bool verifies = !clients.ca_file.empty();
  return std::shared_ptr<const Context>(new Context(context->release(), verifies));
}

Result<std::shared_ptr<const Context>> Context::client(const ClientTrust& trust_options) {
  const bool verifies = trust_options.verification == Verification::kPeer;
  auto context =
      new_context(TLS_client_method(), verifies ? kVerifyingClientCiphers : kAnyClientCiphers);
  if (!context) return failure(context.error());
  SSL_CTX* raw = context->get();
  if (verifies) {
    if (auto trusted = trust(raw, trust_options.ca_file); !trusted) return failure(trusted.error());
  } else {
    SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nullptr);
    // Servers without RFC 5746 cannot hurt a client that never renegotiates.
    SSL_CTX_set_options(raw, SSL_OP_LEGACY_SERVER_CONNECT);
  }
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(raw, keep_session);
  return std::shared_ptr<const Context>(new Context(context->release(), verifies));
}

WallTime Context::ends() const {
  const X509* leaf = SSL_CTX_get0_certificate(context_);
  std::tm parts{};
  if (leaf == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &parts) != 1) return {};
  return WallTime(Seconds(::timegm(&parts)));
}

std::string expiry_warning(const Context& context, const std::string& file, WallTime now) {
  const WallTime ends = context.ends();
  if (ends - now > kEndsSoon) return "";
  const std::string moment = to_iso8601_seconds(ends);
  if (ends < now) return "the certificate in " + file + " has expired: it ended at " + moment;
  const auto days = std::chrono::floor<std::chrono::days>(ends - now).count();
  return "the certificate in " + file + " ends in " + std::to_string(days) +
         (days == 1 ? " day" : " days") + ", at " + moment;
}

Session::Session(ssl_session_st* owned) : session_(owned) {}

Session::~Session() {
  SSL_SESSION_free(session_);
}

Session::Session(Session&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}

Session& Session::operator=(Session&& other) noexcept {
  if (this != &other) {
    SSL_SESSION_free(session_);
    session_ = std::exchange(other.session_, nullptr);
  }
  return *this;
}

}  // namespace postrider::tls
