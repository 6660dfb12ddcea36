// The state of a ClientSession. Private to relay/smtp; in four files: client_session.cc (events,
// time, the list of steps, the end), client_hello.cc (greeting to Ready), client_auth.cc (the login
// between) and client_transaction.cc (MAIL to the final dot).
//
// Everything said is a step in one list. `sent_` and `answered_` are two positions in it; without
// pipelining they differ by one at most. A reply belongs to the step at `answered_`, and where
// there is none the peer spoke unasked, which ends the session: a reply must never be credited to a
// command that had not been sent.
// Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/smtp/client_session.h"
#include "relay/smtp/data_codec.h"
#include "relay/smtp/reply.h"

namespace postrider::smtp {

class ClientSession::Machine {
 public:
  explicit Machine(const ClientOptions& options);

  // Events; see ClientSession.
  void start(TimePoint now, const std::optional<TlsFacts>& tls);
  void send(Transaction transaction, TimePoint now);
  void quit(TimePoint now);
  void receive(std::string_view bytes, TimePoint now);
  void tls_established(const TlsFacts& facts, TimePoint now);
  void tls_failed(std::string_view reason, TimePoint now);
  void scram_message(std::string_view message, TimePoint now);
  void scram_failed(std::string_view reason, TimePoint now);
  void text(const message::Body& piece, TimePoint now);
  void text_failed(std::string_view reason, TimePoint now);
  void connection_lost(std::string_view reason, TimePoint now);
  void sent(TimePoint now);
  void tick(TimePoint now);
  std::optional<ClientAction> next();
  [[nodiscard]] TimePoint deadline() const;

  [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }

  [[nodiscard]] const std::optional<TlsFacts>& tls() const { return tls_; }

  [[nodiscard]] const std::string& peer_name() const { return peer_name_; }

  [[nodiscard]] unsigned transactions() const { return transactions_; }

 private:
  // The batch of a text whose last piece has not been given out.
  static constexpr std::size_t kNoBatch = std::numeric_limits<std::size_t>::max();
  // On top of a reply's time, for each command of a pipelined group that is answered before it.
  static constexpr Duration kPipelinedAllowance = Seconds(2);

  enum class Phase : std::uint8_t { kOpening, kHandshake, kReady, kTransaction, kQuitting, kEnded };
  enum class StepKind : std::uint8_t {
    kGreeting,
    kEhlo,
    kHelo,
    kLhlo,
    kStartTls,
    kAuth,
    kReset,
    kMail,
    kRecipient,
    kData,
    kText,
    kQuit,
  };

  struct Step {
    StepKind kind;
    std::size_t recipient = 0;  // index, for kRecipient and, by LMTP, kText
    std::size_t batch = 0;      // the SendChunks that holds its last byte
    std::size_t ahead = 0;      // steps before it that were unanswered when it was sent
    TimePoint due{};            // of its reply
  };

  struct StepRow;
  [[nodiscard]] static const StepRow& row_of(StepKind kind);

  // What is known of one recipient.
  enum class Verdict : std::uint8_t { kOpen, kAccepted, kDecided };

  // client_session.cc
  void handle_reply();
  void advance();
  [[nodiscard]] bool may_send(const Step& step) const;
  void mark_sent(Step& step);
  [[nodiscard]] Duration patience(const Step& step) const;

  void add_step(StepKind kind, std::size_t recipient = 0) { steps_.push_back({kind, recipient}); }

  void append_command(const Step& step);
  void push_commands();
  void push_chunks(std::vector<Chunk> chunks);
  void forget_steps();
  void end(message::Stage stage, message::Status status, bool orderly);
  void end_locally(message::Stage stage, std::string text);
  void end_at_head(message::Status status);
  void end_at_answered();

  [[nodiscard]] bool waiting() const { return answered_ < sent_; }

  void on_quit();
  void on_unasked();

  // client_hello.cc
  void add_hello();
  void on_greeting();
  void on_ehlo();
  void on_helo();
  void on_lhlo();
  void settle_start_tls();
  void on_start_tls();
  void become_ready();

  // client_auth.cc
  void settle_auth();
  void begin_auth(std::string_view mechanism, const std::string& response);
  void on_auth();
  void ask_scram();

  // client_transaction.cc
  std::optional<message::Status> local_refusal();
  void refuse_unsendable();
  void begin_transaction();
  void append_mail();
  void append_recipient(const message::Recipient& recipient);
  void on_reset();
  void on_mail();
  void on_recipient();
  void on_data();
  void on_text();
  void refuse_bdat(const message::Status& status);
  std::optional<message::Status> encode_text();
  void send_text();
  void ask_text();
  void await_next_reply(Step step);
  void decide(std::size_t recipient, message::Stage stage, const message::Status& status);
  void decide_rest(message::Stage stage, const message::Status& status);
  [[nodiscard]] bool any(Verdict verdict) const;
  [[nodiscard]] std::size_t first_accepted() const;

  [[nodiscard]] bool uses_bdat() const { return options_.chunking && capabilities_.chunking; }

  [[nodiscard]] bool is_lmtp() const { return options_.protocol == Protocol::kLmtp; }

  void drop_unsent_steps();
  void finish_transaction();
  void break_off(message::Stage stage, const message::Status& status);
  void report(TransactionDone done);

  const ClientOptions& options_;
  Phase phase_ = Phase::kOpening;
  ReplyParser replies_;
  std::vector<ClientAction> actions_;
  std::size_t actions_given_ = 0;

  // The list of steps and the two positions in it.
  std::vector<Step> steps_;
  std::size_t sent_ = 0;
  std::size_t answered_ = 0;
  std::string commands_;          // composed, to be sent with the next SendChunks
  std::size_t batches_ = 0;       // SendChunks given out
  std::size_t batches_sent_ = 0;  // of them, those the adapter has reported as sent

  TimePoint now_{};
  TimePoint handshake_due_ = TimePoint::max();

  // The connection.
  std::optional<TlsFacts> tls_;
  Capabilities capabilities_;
  std::string peer_name_;
  std::string auth_command_;                 // the next line of the login
  std::vector<std::string> auth_responses_;  // what is left of it, the next one last
  unsigned scram_messages_ = 0;              // ours of a SCRAM exchange so far
  unsigned transactions_ = 0;
  bool reset_needed_ = false;  // the server may still be within a transaction of ours

  // The transaction.
  Transaction transaction_;
  std::optional<std::vector<Chunk>> text_;  // encoded
  std::optional<TextEncoder> encoder_;      // or of one that comes in pieces, until the last
  bool text_asked_ = false;
  std::vector<Verdict> verdicts_;
  std::vector<RecipientResult> results_;
  bool any_answer_ = false;      // some step of it was answered
  std::size_t text_batch_ = 0;   // the SendChunks that holds the text
  bool text_under_way_ = false;  // the final dot was given out and has no reply
  bool text_cut_short_ = false;  // the reply to the text came before all of it was sent
};

}  // namespace postrider::smtp
