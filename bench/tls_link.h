// TlsLink: one TLS connection, bytes in and bytes out, without a socket; for the simulated hosts
// (server side) and the load generator (client side). The relay's own TLS code is not used here on
// purpose: an error in it would hide itself.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "bench/certificate.h"
#include "relay/base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace postrider::bench {

// What connections share. Thread: any, after it was made.
class TlsContext {
 public:
  // Serves certificates of `authority` for the name the client asks for (RFC 6066 section 3), with
  // session tickets (RFC 5077, RFC 8446 section 4.6.1) as the one way to resume. `authority` must
  // outlive the context.
  static Result<TlsContext> server(CertificateAuthority& authority);
  // Asks for any certificate: what is measured here is the relay, not its identity.
  static Result<TlsContext> client();

 private:
  friend class TlsLink;

  explicit TlsContext(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}

  std::shared_ptr<ssl_ctx_st> context_;
};

struct TlsFacts {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  bool resumed = false;
};

// Thread: one owner.
class TlsLink {
 public:
  enum class State { kHandshake, kOpen, kEnded, kFailed };

  // `name`: the host the certificate is for when the client does not say.
  static Result<std::unique_ptr<TlsLink>> accept(const TlsContext& context, std::string name,
                                                 CertificateKind kind);
  // The first flight is in take_output() at once.
  static Result<std::unique_ptr<TlsLink>> connect(const TlsContext& context,
                                                  const std::string& server_name);

  // Before the handshake, server side: what is agreed on cannot be resumed later.
  void give_no_tickets();

  // Takes what came from the socket; decrypted bytes are appended to `plain`. Look at state() and
  // take_output() afterwards.
  void receive(std::string_view bytes, std::string& plain);
  // Encrypts; needs kOpen.
  void write(std::string_view plain);
  // Says that nothing more will be written (close_notify).
  void finish();
  // What is to be sent on the socket.
  std::string take_output();

  [[nodiscard]] State state() const { return state_; }

  // The reason of kFailed.
  [[nodiscard]] const std::string& failure_text() const { return failure_; }

  // Needs kOpen.
  [[nodiscard]] TlsFacts facts() const;

 private:
  // What a server presents; OpenSSL reaches it through the connection.
  struct Identity {
    std::string name;
    CertificateKind kind = CertificateKind::kGood;
  };

  friend class TlsContext;

  explicit TlsLink(std::shared_ptr<ssl_ctx_st> context);
  static int choose_certificate(ssl_st* ssl, void* authority) noexcept;
  void handshake();
  void read_all(std::string& plain);
  void fail(int result, std::string_view what);

  std::shared_ptr<ssl_ctx_st> context_;
  std::unique_ptr<Identity> identity_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
  State state_ = State::kHandshake;
  std::string failure_;
};

}  // namespace postrider::bench
