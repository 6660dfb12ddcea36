#include "relay/tls/engine.h"

#include <algorithm>
#include <array>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <utility>

#include "relay/base/ascii.h"
#include "relay/base/check.h"
#include "relay/base/ip.h"
#include "relay/tls/failure_text.h"
#include "relay/tls/openssl.h"
#include "relay/tls/peer_names.h"
#include "relay/tls/wire.h"

namespace postrider::tls {

namespace {

// The most plaintext one record holds, and so the most one SSL_read yields (RFC 8446 section 5.1).
constexpr std::size_t kRecordMax = 16384;
// What a record adds to its plaintext, at most: header, explicit nonce, tag, type, MAC and padding.
constexpr std::size_t kRecordOverhead = 64;
// Room for the first read of a call; a reply line fits.
constexpr std::size_t kSmallRead = 512;
// Of a peer that does not speak TLS, so much is kept for the error.
constexpr std::size_t kFirstBytesMax = 120;

// SSL_set_tlsext_host_name without its C cast.
bool set_server_name(SSL* ssl, std::string& name) {
  return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
}

using Mark = std::array<unsigned char, SHA256_DIGEST_LENGTH>;
static_assert(sizeof(Mark) <= SSL_MAX_SID_CTX_LENGTH);

// What a session bears: under which rules and for which name it was made.
Mark mark_of(const Context& context, std::string_view name) {
  const std::string text = std::to_string(context.id()) + " " + ascii::lower(name);
  Mark mark{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), mark.data());
  return mark;
}

bool bears(const SSL_SESSION* session, const Mark& mark) {
  unsigned size = 0;
  const unsigned char* bytes = SSL_SESSION_get0_id_context(session, &size);
  return std::equal(bytes, bytes + size, mark.begin(), mark.end());
}

}  // namespace

struct Engine::Impl {
  explicit Impl(std::shared_ptr<const Context> shared, bool client);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void expect_name(std::string_view text);
  void resume(SSL_SESSION* session);
  void receive(std::string_view ciphertext, std::string& plain);
  void shake_hands();
  void decrypt(std::string& plain);
  void opened();
  void look_at_client();
  void fail_from(int outcome);
  void fail(std::string why);

  std::shared_ptr<const Context> context;  // outlives ssl
  Wire wire;
  ClientNotes notes;
  SslPtr ssl;
  bool is_client;
  bool session_taken = false;
  State state = State::kHandshaking;
  std::string name;         // to be matched
  std::string first_bytes;  // what the peer began with; kept until the handshake is done
  Facts facts;
  std::string error;
};

Engine::Impl::Impl(std::shared_ptr<const Context> shared, bool client)
    : context(std::move(shared)), is_client(client) {
  ERR_clear_error();
  ssl.reset(SSL_new(context->raw()));
  BioPtr bio = wire_bio(wire);
  if (ssl == nullptr || bio == nullptr) {
    ssl.reset();
    fail("cannot start TLS: " + drain_errors());
    return;
  }
  BIO* both = bio.release();
  SSL_set_bio(ssl.get(), both, both);
  SSL_set_app_data(ssl.get(), &notes);
  if (is_client) {
    SSL_set_connect_state(ssl.get());
  } else {
    SSL_set_accept_state(ssl.get());
  }
}

Engine::Impl::~Impl() {
  // Without this, freeing a connection that was cut off marks its session, which a cache may hold
  // by now, as not to be resumed. Lost connections are ordinary here; a truncation cannot hurt
  // SMTP, where the last reply says what was done.
  if (ssl != nullptr && state != State::kFailed) {
    SSL_set_shutdown(ssl.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
}

// RFC 6066 section 3 (no IP literals in SNI), RFC 6125 section 6.
void Engine::Impl::expect_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  name = text;
  if (name.empty()) {
    if (context->verifies_peer()) fail("there is no name to verify the certificate against");
    return;
  }
  // OpenSSL would take a name with a NUL for the shorter one before it.
  bool set = name.find('\0') == std::string::npos;
  const bool literal = IpAddress::parse(name).has_value();
  if (set && !literal) set = set_server_name(ssl.get(), name);
  if (set && context->verifies_peer()) {
    X509_VERIFY_PARAM* rules = SSL_get0_param(ssl.get());
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    set = (literal ? X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str())
                   : X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size())) == 1;
  }
  if (!set) fail("the server's name cannot be used for TLS");
}

// Only a session made under the same context and for the same name: resumption shows no
// certificate, and so skips the checks of both.
void Engine::Impl::resume(SSL_SESSION* session) {
  const Mark mark = mark_of(*context, name);
  SSL_set_session_id_context(ssl.get(), mark.data(), mark.size());
  if (session != nullptr && bears(session, mark)) SSL_set_session(ssl.get(), session);
}

void Engine::Impl::fail(std::string why) {
  state = State::kFailed;
  error = std::move(why);
}

// After an SSL_* call that returned `outcome` and not success: either it waits for input, or the
// peer closed, or the connection has failed.
void Engine::Impl::fail_from(int outcome) {
  const int kind = SSL_get_error(ssl.get(), outcome);
  if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) return;
  if (kind == SSL_ERROR_ZERO_RETURN) {
    if (state == State::kHandshaking) return fail("the peer closed during the TLS handshake");
    state = State::kPeerClosed;
    return;
  }
  std::string plaintext = describe_plaintext(first_bytes, is_client);
  std::string words = describe_failure(ssl.get(), notes.refused_leaf.get(), name);
  if (is_client && context->verifies_peer()) {
    facts.verify_error = describe_verification(ssl.get(), notes.refused_leaf.get(), name);
  }
  fail(plaintext.empty() ? std::move(words) : std::move(plaintext));
}

void Engine::Impl::opened() {
  state = State::kOpen;
  first_bytes = {};
  facts.version = SSL_get_version(ssl.get());
  facts.cipher = SSL_get_cipher_name(ssl.get());
  facts.resumed = SSL_session_reused(ssl.get()) == 1;
  if (is_client && context->verifies_peer()) {
    facts.verify_error = describe_verification(ssl.get(), notes.refused_leaf.get(), name);
    facts.verified = facts.verify_error.empty();
    // OpenSSL ends a bad full handshake by itself; this is for what a resumed session might bring.
    if (!facts.verified) fail("certificate verification failed: " + facts.verify_error);
  }
  if (!is_client && context->verifies_peer()) look_at_client();
}

// Whose certificate is no good has come in as one that has none.
void Engine::Impl::look_at_client() {
  const X509* leaf = SSL_get0_peer_certificate(ssl.get());
  if (leaf == nullptr) return;
  facts.verify_error = describe_verification(ssl.get(), notes.refused_leaf.get(), name);
  facts.verified = facts.verify_error.empty() && notes.refused_leaf == nullptr;
  if (facts.verified) facts.names = certificate_names(leaf);
}

void Engine::Impl::shake_hands() {
  ERR_clear_error();
  const int outcome = SSL_do_handshake(ssl.get());
  if (outcome == 1) return opened();
  fail_from(outcome);
}

void Engine::Impl::decrypt(std::string& plain) {
  // For all of it at once, so that a text of many records is not moved as it grows.
  plain.reserve(plain.size() + wire.input_view.size() + kSmallRead);
  // The first room is a guess from what came in; then OpenSSL knows how much of a record is left.
  std::size_t room = std::clamp(wire.input_view.size(), kSmallRead, kRecordMax);
  while (state == State::kOpen) {
    const std::size_t filled = plain.size();
    plain.resize(filled + room);
    std::size_t count = 0;
    ERR_clear_error();
    const int outcome = SSL_read_ex(ssl.get(), plain.data() + filled, room, &count);
    plain.resize(filled + count);
    if (outcome != 1) return fail_from(outcome);
    const auto pending = static_cast<std::size_t>(SSL_pending(ssl.get()));
    room = pending > 0 ? pending : std::clamp(wire.input_view.size(), kSmallRead, kRecordMax);
  }
}

void Engine::Impl::receive(std::string_view ciphertext, std::string& plain) {
  if (state == State::kHandshaking) {
    first_bytes.append(ciphertext.substr(0, kFirstBytesMax - first_bytes.size()));
  }
  wire.input_view = ciphertext;
  if (state == State::kHandshaking) shake_hands();
  if (state == State::kOpen) decrypt(plain);
  // What is not read by now never will be: it came after a failure or after close_notify.
  wire.input_view = {};
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Engine Engine::server(std::shared_ptr<const Context> context) {
  return Engine(std::make_unique<Impl>(std::move(context), false));
}

Engine Engine::client(std::shared_ptr<const Context> context, std::string_view name,
                      const std::optional<Session>& session) {
  auto impl = std::make_unique<Impl>(std::move(context), true);
  if (impl->state != State::kFailed) impl->expect_name(name);
  if (impl->state != State::kFailed) impl->resume(session ? session->raw() : nullptr);
  return Engine(std::move(impl));
}

Engine::State Engine::receive(std::string_view ciphertext, std::string& plain) {
  impl_->receive(ciphertext, plain);
  return impl_->state;
}

void Engine::send(std::string_view plain) {
  Impl& impl = *impl_;
  PR_CHECK(impl.state != State::kHandshaking, "Engine::send before the handshake is done");
  if (impl.state == State::kFailed || plain.empty()) return;
  const std::size_t records = plain.size() / kRecordMax + 1;
  impl.wire.output.reserve(impl.wire.output.size() + plain.size() + records * kRecordOverhead);
  std::size_t written = 0;
  ERR_clear_error();
  const int outcome = SSL_write_ex(impl.ssl.get(), plain.data(), plain.size(), &written);
  if (outcome != 1) impl.fail_from(outcome);
}

void Engine::close() {
  Impl& impl = *impl_;
  if (impl.state != State::kOpen && impl.state != State::kPeerClosed) return;
  if ((SSL_get_shutdown(impl.ssl.get()) & SSL_SENT_SHUTDOWN) != 0) return;
  ERR_clear_error();
  SSL_shutdown(impl.ssl.get());
  ERR_clear_error();
}

std::string Engine::take_output() {
  return std::exchange(impl_->wire.output, {});
}

Engine::State Engine::state() const {
  return impl_->state;
}

const Facts& Engine::facts() const {
  return impl_->facts;
}

const std::string& Engine::error() const {
  return impl_->error;
}

std::optional<Session> Engine::take_session() {
  Impl& impl = *impl_;
  if (!impl.is_client || impl.ssl == nullptr || impl.state == State::kFailed) return std::nullopt;
  if (std::exchange(impl.session_taken, true) && impl.notes.newest_session == nullptr)
    return std::nullopt;
  SessionPtr session = std::move(impl.notes.newest_session);
  // A TLS 1.2 server that resumes a session gives no new one: the old one stays good. A TLS 1.3
  // ticket is to be used once (RFC 8446 appendix C.4).
  const bool again = impl.facts.resumed && SSL_version(impl.ssl.get()) == TLS1_2_VERSION;
  if (session == nullptr && again) session.reset(SSL_get1_session(impl.ssl.get()));
  if (session == nullptr || SSL_SESSION_is_resumable(session.get()) != 1) return std::nullopt;
  return Session(session.release());
}

}  // namespace postrider::tls
