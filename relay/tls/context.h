// Context: certificates, trust and rules for a class of TLS connections, made once and shared.
//
// Making one costs milliseconds and up to a MiB (the CA bundle), so there is one a policy, never
// one a connection. Thread: immutable after construction; engines on any thread may use it at the
// same time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/result.h"

struct ssl_ctx_st;
struct ssl_session_st;

namespace postrider::tls {

struct ServerIdentity {
  std::string certificate_file;  // PEM, leaf first, then the chain
  std::string key_file;          // PEM
};

// How a server asks its clients for certificates.
struct ClientCertificates {
  std::string ca_file;    // PEM, who may have signed them; empty: none are asked for
  bool required = false;  // without a good one the handshake fails
};

// How a client judges the server's certificate.
enum class Verification {
  kNone,  // any certificate will do (RFC 7435)
  kPeer,  // the chain must lead to a trusted CA and the name must match (RFC 6125)
};

struct ClientTrust {
  Verification verification = Verification::kNone;
  // PEM bundle; empty with kPeer: the system's.
  std::string ca_file;
};

class Context {
 public:
  // TLS 1.2 or later, forward secrecy, no compression, no renegotiation, session tickets on. Errors
  // name the file and what is wrong with it (missing, unreadable by us, not PEM, key does not
  // belong to the certificate).
  // A server that asks for certificates resumes no session: each connection shows its own.
  // `before`: another server's, whose sessions can be resumed under this one too; null: none.
  static Result<std::shared_ptr<const Context>> server(const ServerIdentity& identity,
                                                       const ClientCertificates& clients = {},
                                                       const Context* before = nullptr);
  static Result<std::shared_ptr<const Context>> client(const ClientTrust& trust);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // For engine.cc.
  [[nodiscard]] ssl_ctx_st* raw() const { return context_; }

  [[nodiscard]] bool verifies_peer() const { return verifies_peer_; }

  // Of a server: the last moment of its certificate (notAfter of the leaf, RFC 5280 section
  // 4.1.2.5); 1970 where that cannot be read.
  [[nodiscard]] WallTime ends() const;

  // For engine.cc: tells this context from every other of the process.
  [[nodiscard]] std::uint64_t id() const { return id_; }

 private:
  Context(ssl_ctx_st* context, bool verifies_peer);

  ssl_ctx_st* context_;
  bool verifies_peer_;
  std::uint64_t id_;
};

// What is to be said of a server's certificate, read from `file`, that has expired or ends within
// kEndsSoon; "" of another.
inline constexpr std::chrono::days kEndsSoon{14};
std::string expiry_warning(const Context& context, const std::string& file, WallTime now);

// A session that a later connection to the same peer under the same policy may resume. Thread:
// immutable.
class Session {
 public:
  explicit Session(ssl_session_st* owned);
  ~Session();
  Session(Session&& other) noexcept;
  Session& operator=(Session&& other) noexcept;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] ssl_session_st* raw() const { return session_; }

 private:
  ssl_session_st* session_;
};

// A certificate and key made on the spot (EC P-256, self-signed, `days` of validity) for demos and
// tests. A name that is an IP address becomes one in the certificate. The key comes as PKCS #8
// without a passphrase; whoever stores it guards it.
struct GeneratedIdentity {
  std::string certificate_pem;
  std::string key_pem;
};

// More than any demo wants, and far from where dates in certificates change their form.
inline constexpr unsigned kGeneratedDaysMax = 3650;

// An error if there is no name, or `days` is not in 1..kGeneratedDaysMax.
Result<GeneratedIdentity> generate_identity(const std::vector<std::string>& dns_names,
                                            unsigned days);

}  // namespace postrider::tls
