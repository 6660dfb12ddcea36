// ServerSession: the receiving side of one SMTP connection (RFC 5321, 6409, 3207, 4954, 1870, 2920,
// 3030, 3461, 4865, 6152, 6531, 6710, 2034), as a state machine without sockets, clocks or threads.
//
// The adapter feeds bytes, answers and time in, and after each such call drains next() and carries
// out what it says, in order. First property: any split of the same bytes gives the same actions.
// Bytes that arrived before TLS are never acted on after it.
//
// Thread: one caller at a time; not reentrant.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "relay/base/clock.h"
#include "relay/message/envelope.h"
#include "relay/message/status.h"

namespace postrider::smtp {

enum class ListenerMode : std::uint8_t {
  kSubmission,   // STARTTLS, then AUTH, then mail (RFC 6409, port 587)
  kSubmissions,  // TLS first, then AUTH, then mail (RFC 8314, port 465)
  kTrusted,      // mail without AUTH, from trusted networks; STARTTLS where a certificate is there
};

// As the configuration writes it.
constexpr std::string_view name_of(ListenerMode mode) {
  constexpr std::string_view kNames[] = {"submission", "submissions", "trusted"};
  return kNames[static_cast<std::size_t>(mode)];
}

struct ServerOptions {
  std::string host_name = "localhost";
  ListenerMode mode = ListenerMode::kSubmission;
  bool tls_available = true;
  // Octets of a message's text; announced by SIZE, checked at MAIL and while it arrives.
  std::uint64_t message_size_max = 50ULL << 20;
  std::size_t recipients_max = 1000;
  // Messages per connection; 0: no limit. Then 421.
  unsigned messages_max = 0;
  // Commands that were unknown, malformed or out of order since the last accepted message; at this
  // number 421. Refused addresses, and what a pipelining client had sent behind a refusal, do not
  // count.
  unsigned errors_max = 20;
  // Commands that bring no mail forward (EHLO, HELO, NOOP, RSET, VRFY, HELP) since the last
  // accepted message; at this number 421.
  unsigned idle_commands_max = 200;
  // Failed authentications; then 421.
  unsigned auth_failures_max = 3;
  // Octets of a command line (RFC 5321 section 4.5.3.1.4 with room for extensions), and of an AUTH
  // line (RFC 4954 section 4).
  std::size_t command_line_max = 4096;
  std::size_t auth_line_max = 12288;
  // Octets of a text line, CRLF included; RFC 5321 section 4.5.3.1.6 says 1000, practice sends
  // more.
  std::size_t text_line_max = 65536;
  // How far ahead a client may set the time at which its message leaves (FUTURERELEASE); 0: that is
  // not offered, nor ever on a trusted listener (RFC 4865 section 4.2).
  Seconds future_release_max{7 * 24 * 3600};
  // Received fields a message may bring; beyond, it is taken for a loop (554 5.4.6).
  unsigned received_max = 100;
  // Nothing arrives for so long: 421 and close.
  Duration idle_timeout = Seconds(300);
  // Absolute: from the greeting to the first accepted MAIL or AUTH; for a command line, from its
  // first octet; for a message text, from 354 to the final dot.
  Duration login_deadline = Seconds(300);
  Duration command_deadline = Seconds(60);
  Duration data_deadline = Seconds(1800);
  // Octets a second that the text of a message must bring within each window while it is awaited;
  // 0: none are asked for.
  std::uint64_t data_rate_min = 100;
  Duration data_rate_window = Seconds(60);
};

struct TlsFacts {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  bool resumed = false;
  bool verified = false;  // the peer's certificate was checked and is good
  // The client's certificate is that of a user: EXTERNAL is offered.
  bool external = false;
};

// --- What the adapter is told to do
// ---------------------------------------------------------------------

struct Send {
  std::string bytes;
};

// Decide, then call answer() with the reply to give. The session asks one thing at a time and reads
// no further until it is answered.

// May TLS begin: 220, then StartTls follows, or 454.
struct AskTls {};

// Send what is unsent, then start the TLS handshake as server; then tls_established() or close.
struct StartTls {};

struct AskCredentials {
  std::string mechanism;  // "PLAIN" or "LOGIN"
  std::string user;
  std::string password;
};

// A message of a SCRAM exchange, decoded: call challenge() with the next one of ours, or answer()
// when the exchange is over.
struct AskScram {
  std::string message;
  bool first;  // of its exchange: one before it that was not answered is off
};

// Whom the client may be by its certificate: call identify() and answer(). `identity`: whom it
// wants to be; "": it leaves that to us.
struct AskIdentity {
  std::string identity;
};

struct AskSender {};  // envelope() holds the sender

struct AskRecipient {
  message::Recipient recipient;
};

// The first part of a text is about to come: 354 (or BDAT) was answered.
struct BeginBody {};

// Canonical text (see message::Body), valid until the next call on the session.
struct BodyPart {
  std::string_view bytes;
};

// The text is complete: make it durable, then answer().
struct AskCommit {};

// The message in progress is off (RSET, refusal, disconnect, a defect in its text).
struct AbortBody {};

// A refusal was given: for the counter of reasons. `reason` is a static, bounded label.
struct Refused {
  std::string_view reason;
  int code;
};

struct Close {
  std::string_view reason;  // static, bounded label: "quit", "timeout", "errors", ...
};

using ServerAction =
    std::variant<Send, AskTls, StartTls, AskCredentials, AskScram, AskIdentity, AskSender,
                 AskRecipient, BeginBody, BodyPart, AskCommit, AbortBody, Refused, Close>;

class ServerSession {
 public:
  // `options` must outlive the session.
  explicit ServerSession(const ServerOptions& options);
  ~ServerSession();
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  // SCRAM-SHA-256 is offered and taken, or not (the default). Before start().
  void offer_scram(bool offered);
  // What time it is at `now`; the session counts on from there. FUTURERELEASE needs it. Before
  // start().
  void tell_time(WallTime wall, TimePoint now);
  // Greets. In mode kSubmissions call tls_established() first.
  void start(TimePoint now);
  // Refuses the connection instead of greeting it: `status` (421 or 554) and close.
  void refuse(const message::Status& status, TimePoint now);
  // `bytes` must stay valid until next() has returned nullopt; what is left then is copied, and is
  // at most one read (wants_input() is false while anything is left over).
  void receive(std::string_view bytes, TimePoint now);
  // The reply to the pending Ask: positive accepts. A 421 closes. `reason`: the static label of a
  // refusal, where the caller knows a better one than that of the question.
  void answer(const message::Status& status, TimePoint now, std::string_view reason = {});
  // The reply to AskScram that goes on with the exchange, which is about `user`.
  void challenge(std::string_view message, std::string_view user, TimePoint now);
  // Before the positive answer to AskIdentity: who it is.
  void identify(std::string_view user);
  void tls_established(const TlsFacts& facts, TimePoint now);
  // From now on the adapter does not read, for a reason of its own, or does again: meanwhile no
  // deadline runs against the client. Any number of times the same.
  void hold(bool held, TimePoint now);
  // The peer closed or the connection broke.
  void end_of_input(TimePoint now);
  // The daemon stops: 421 at the next moment that loses nothing, after a pending commit has been
  // answered.
  void shut_down(TimePoint now);
  // Call at or after deadline().
  void tick(TimePoint now);
  [[nodiscard]] TimePoint deadline() const;  // TimePoint::max(): none
  // False: stop reading the socket until a later call changes it.
  [[nodiscard]] bool wants_input() const;
  // The next thing to do; nullopt: wait for an event.
  std::optional<ServerAction> next();

  // Of the transaction in progress; complete at AskCommit and until it is answered.
  [[nodiscard]] const message::Envelope& envelope() const;
  [[nodiscard]] const std::vector<message::Recipient>& recipients() const;
  [[nodiscard]] const std::string& helo() const;
  [[nodiscard]] bool authenticated() const;
  [[nodiscard]] const std::string& user() const;  // "" before AUTH
  [[nodiscard]] const std::optional<TlsFacts>& tls() const;
  // "SMTP", "ESMTP", "ESMTPS", "ESMTPSA", "UTF8SMTPSA" ... (RFC 3848, RFC 6531).
  [[nodiscard]] std::string_view protocol() const;
  // A commit was asked for and not answered yet.
  [[nodiscard]] bool awaiting_commit() const;

 private:
  class Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace postrider::smtp
