// ClientSession: the sending side of one SMTP connection (RFC 5321, 3207, 1870, 2920, 3030, 3461,
// 4954, 6152, 6531, 6710) or LMTP connection (RFC 2033), as a state machine without sockets, clocks
// or threads.
//
// A connection greets, says EHLO, starts TLS and logs in as demanded, then carries transactions one
// after another. It keeps two positions in one list of steps, sent and answered; that is all
// pipelining is. Replies that arrive before the TLS handshake are discarded with it. A hostile
// server can make it fail, never hang (absolute deadlines), grow (reply limits) or misattribute a
// reply.
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

#include "relay/base/bytes.h"
#include "relay/base/clock.h"
#include "relay/message/body.h"
#include "relay/message/envelope.h"
#include "relay/message/status.h"
#include "relay/smtp/data_codec.h"
#include "relay/smtp/server_session.h"

namespace postrider::smtp {

enum class Protocol : std::uint8_t {
  kSmtp,
  kLmtp,  // says LHLO, and the text has a reply for each recipient that was accepted, in order
};

enum class StartTlsUse : std::uint8_t {
  kNever,
  kIfOffered,  // plaintext goes on when it is not offered or refused
  kRequired,   // otherwise the session fails at Stage::kStartTls
};

// How long to wait for each reply: absolute, from the moment the command was sent, and two seconds
// more for each command of a pipelined group that is answered before it. RFC 5321 section 4.5.3.2
// gives the minimum values that are the defaults.
struct ClientTimeouts {
  Duration greeting = Seconds(300);
  Duration hello = Seconds(300);
  Duration start_tls = Seconds(120);
  Duration mail = Seconds(300);
  Duration recipient = Seconds(300);
  Duration data = Seconds(120);
  Duration text = Seconds(1800);  // sending the whole text; RFC: 3 minutes a block
  Duration end_of_data = Seconds(600);
  Duration quit = Seconds(5);
};

enum class LoginMechanism : std::uint8_t {
  kFirst,  // the first that is offered of those below, in their order
  kScramSha256,
  kPlain,
  kLogin,
};

// What to log in with at a server that wants it.
struct ClientLogin {
  std::string user;
  std::string password;
  // The only one that is used, or any. What is refused is not tried again by another: PLAIN would
  // show the password to a server that has just failed to prove that it knows it.
  LoginMechanism mechanism = LoginMechanism::kFirst;

  bool operator==(const ClientLogin&) const = default;
};

struct ClientOptions {
  std::string helo_name = "localhost";
  Protocol protocol = Protocol::kSmtp;
  // With it the session logs in before it is ready, over TLS alone, by a mechanism that is offered
  // and that it may use; otherwise it fails at Stage::kAuth. SCRAM is left out
  // where name or password are not printable ASCII (see auth::make_scram_verifier()).
  std::optional<ClientLogin> login;
  StartTlsUse start_tls = StartTlsUse::kIfOffered;
  ClientTimeouts timeouts;
  bool pipelining = true;  // used where offered
  bool chunking = false;   // where offered, the text goes by BDAT in place of DATA (RFC 3030)
  // Limits on what a peer may say in one reply.
  std::size_t reply_lines_max = 100;
  std::size_t reply_line_max = 2048;
};

// One message to some of its recipients, all at this destination.
struct Transaction {
  message::Envelope envelope;
  std::vector<message::Recipient> recipients;  // at least one
  message::Body body;
  // Given, the text is not in `body` and comes in pieces, as AskText asks for them. It is not
  // empty.
  std::optional<TextFacts> pieces{};
};

struct RecipientResult {
  message::Stage stage = message::Stage::kEndOfData;  // where the status was met
  message::Status
      status;  // code 0: the connection was lost before there was a reply; text says how
};

// --- What the adapter is told to do
// ---------------------------------------------------------------------

// Chunks to send in order.
struct SendChunks {
  std::vector<Chunk> chunks;
};

// Start the TLS handshake as client; then tls_established() or tls_failed(). (StartTls of
// server_session.h.)

// The server's next message of a SCRAM exchange, or where it is `first` none: answer with
// scram_message() or scram_failed(). (AskScram of server_session.h.)

// The next piece of the transaction's text is wanted: answer with text() or text_failed().
struct AskText {};

// The session is ready for send(): greeting, EHLO and TLS are through, or the last transaction has
// ended and another may follow.
struct Ready {};

struct TransactionDone {
  std::vector<RecipientResult> results;  // one for each recipient, same order
  // The final dot was sent and no reply came, or by LMTP not all: the message may have been
  // accepted.
  bool final_reply_lost = false;
  // Nothing of this transaction was answered before the connection ended (on a reused connection:
  // nothing but a 421 in place of the first answer, which results then hold): on a reused
  // connection this is no failure of the destination, and the transaction may be tried again at
  // once.
  bool untouched = false;
};

// The session is over: close the connection. `status.code` 0: no reply was the reason, `text` says
// what.
struct Ended {
  message::Stage stage = message::Stage::kGreeting;
  message::Status status;
  bool orderly = false;  // we quit, or the peer closed between transactions
};

using ClientAction =
    std::variant<SendChunks, StartTls, AskScram, AskText, Ready, TransactionDone, Ended>;

class ClientSession {
 public:
  // `options` must outlive the session.
  explicit ClientSession(const ClientOptions& options);
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  // The connection stands; waits for the greeting. With `tls` the connection began with TLS.
  void start(TimePoint now, const std::optional<TlsFacts>& tls = std::nullopt);
  // Only after Ready and before the next TransactionDone.
  void send(Transaction transaction, TimePoint now);
  // QUIT; then Ended. Only while Ready.
  void quit(TimePoint now);
  // `bytes` must stay valid until next() has returned nullopt.
  void receive(std::string_view bytes, TimePoint now);
  void tls_established(const TlsFacts& facts, TimePoint now);
  void tls_failed(std::string_view reason, TimePoint now);
  // The answer to AskScram, at any time: our next message, not encoded, "" when the server's last
  // one was right; or why there is none, which ends the session.
  void scram_message(std::string_view message, TimePoint now);
  void scram_failed(std::string_view reason, TimePoint now);
  // The answer to AskText, at any time: the next piece, or why there is none. A text that cannot
  // be had to its end is never ended: the session ends within it, and no server takes what it got
  // for the message. What comes after the session's end is passed over.
  void text(const message::Body& piece, TimePoint now);
  void text_failed(std::string_view reason, TimePoint now);
  // The peer closed, or the connection broke; `reason` for the status text.
  void connection_lost(std::string_view reason, TimePoint now);
  // All chunks of a SendChunks have reached the kernel; the reply's time runs from here. Call it
  // for each SendChunks, before receive() with what came afterwards: a text that is accepted before
  // it was sent counts as not accepted, and one refused before it was sent ends the session.
  void sent(TimePoint now);
  void tick(TimePoint now);
  [[nodiscard]] TimePoint deadline() const;
  std::optional<ClientAction> next();

  // What the peer offers; valid once Ready.
  struct Capabilities {
    bool pipelining = false;
    bool start_tls = false;
    bool eight_bit_mime = false;
    bool smtputf8 = false;
    bool chunking = false;
    bool dsn = false;
    bool mt_priority = false;
    bool size = false;
    bool enhanced_codes = false;
    std::uint64_t size_max = 0;  // 0: no fixed limit
    std::vector<std::string> auth;
  };

  [[nodiscard]] const Capabilities& capabilities() const;
  [[nodiscard]] const std::optional<TlsFacts>& tls() const;
  // The name in the peer's greeting; printable, at most 255 octets.
  [[nodiscard]] const std::string& peer_name() const;
  // Transactions ended so far.
  [[nodiscard]] unsigned transactions() const;

 private:
  class Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace postrider::smtp
