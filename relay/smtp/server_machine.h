// The state of a ServerSession. Private to relay/smtp; in four files: server_session.cc (events,
// time, the flow of actions), server_verbs.cc (a method a command), server_auth.cc (AUTH),
// server_text.cc (DATA and BDAT).
//
// Actions are pulled: input is looked at only when next() has nothing older to give, so that the
// session never runs ahead of its adapter and a body is handed on as views into what was read.
// Replies gather in `unsent_` until input is used up or something must wait (RFC 2920).
// Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/message/headers.h"
#include "relay/smtp/command.h"
#include "relay/smtp/data_codec.h"
#include "relay/smtp/line_reader.h"
#include "relay/smtp/sasl.h"
#include "relay/smtp/server_session.h"

namespace postrider::smtp {

// A reply that says no: its label for the counter of reasons, and itself.
struct Denial {
  std::string_view reason;  // static
  message::Status status;
};

class ServerSession::Machine {
 public:
  explicit Machine(const ServerOptions& options) : options_(options) {}

  // Events; see ServerSession.
  void start(TimePoint now);
  void refuse(const message::Status& status, TimePoint now);
  void receive(std::string_view bytes, TimePoint now);
  void answer(const message::Status& status, TimePoint now, std::string_view reason);

  void offer_scram(bool offered) { scram_offered_ = offered; }

  void tell_time(WallTime wall, TimePoint now) { told_time_ = {wall, now}; }

  void challenge(std::string_view message, std::string_view user, TimePoint now);

  void identify(std::string_view user) { user_ = user; }

  void tls_established(const TlsFacts& facts, TimePoint now);
  void hold(bool held, TimePoint now);
  void end_of_input(TimePoint now);
  void shut_down(TimePoint now);
  void tick(TimePoint now);
  std::optional<ServerAction> next();

  [[nodiscard]] TimePoint deadline() const { return due().when; }

  [[nodiscard]] bool wants_input() const;
  [[nodiscard]] std::string_view protocol() const;

  [[nodiscard]] const message::Envelope& envelope() const { return envelope_; }

  [[nodiscard]] const std::vector<message::Recipient>& recipients() const { return recipients_; }

  [[nodiscard]] const std::string& helo() const { return helo_; }

  [[nodiscard]] bool authenticated() const { return authenticated_; }

  [[nodiscard]] const std::string& user() const { return user_; }

  [[nodiscard]] const std::optional<TlsFacts>& tls() const { return tls_; }

  [[nodiscard]] bool awaiting_commit() const { return ask_ == Ask::kCommit; }

 private:
  enum class Mode : std::uint8_t {
    kCommands,
    kSasl,       // a response to an AUTH challenge is next
    kData,       // text up to the final dot is next
    kChunk,      // octets of a BDAT chunk are next
    kHandshake,  // TLS is being started; nothing is acted on
    kClosed,
  };
  enum class Ask : std::uint8_t { kNothing, kTls, kCredentials, kSender, kRecipient, kCommit };

  struct VerbRow;
  // Null: not a verb we carry out.
  [[nodiscard]] static const VerbRow* row_of(Verb verb);

  struct Due {
    TimePoint when;
    std::string_view reason;
  };

  // server_session.cc
  [[nodiscard]] Due due() const;
  void await_text();
  void stop_awaiting_text();
  bool rate_is_kept(TimePoint now);
  bool step();
  void keep_input();
  std::optional<ServerAction> take_action();

  void emit(ServerAction action) { actions_.push_back(std::move(action)); }

  void flush();
  void reply(int code, message::EnhancedCode enhanced, std::string_view text);
  void deny(std::string_view reason, const message::Status& status);
  void deny_fault(std::string_view reason, const message::Status& status);
  void close(std::string_view reason);
  void close_with(std::string_view reason, const message::Status& status);
  void reset_transaction();
  void close_if_due();

  [[nodiscard]] std::string_view reason_or(std::string_view question) const {
    return answer_reason_.empty() ? question : answer_reason_;
  }

  void settle_answer(Ask ask, const message::Status& status);
  void tls_answered(const message::Status& status);
  void credentials_answered(const message::Status& status);
  void sender_answered(const message::Status& status);
  void recipient_answered(const message::Status& status);
  void commit_answered(const message::Status& status);

  // server_verbs.cc
  void read_command();
  [[nodiscard]] bool begins_tls() const;
  void drop(std::string_view reason);
  bool deny_bad_line(LineVerdict verdict);
  void dispatch(const CommandLine& command);
  [[nodiscard]] const Denial* obstacle(unsigned flags, std::string_view argument) const;
  void deny_obstacle(const Denial& denial, unsigned flags);
  bool too_many_idle_commands(unsigned flags);
  [[nodiscard]] WallTime wall() const;
  [[nodiscard]] std::optional<Denial> release_denial(const MailCommand& command) const;
  bool denies_injection();

  void pardon_followers() { pardons_ = options_.recipients_max + 2; }

  void hello(std::string_view argument, bool extended);
  void verb_ehlo(std::string_view argument);
  void verb_helo(std::string_view argument);
  void verb_starttls(std::string_view argument);
  void verb_mail(std::string_view argument);
  void verb_rcpt(std::string_view argument);
  void deny_unparsed(std::string_view reason, const message::Status& status);
  void verb_data(std::string_view argument);
  void verb_bdat(std::string_view argument);
  void verb_rset(std::string_view argument);
  void verb_noop(std::string_view argument);
  void verb_help(std::string_view argument);
  void verb_vrfy(std::string_view argument);
  void verb_quit(std::string_view argument);

  // server_auth.cc
  void verb_auth(std::string_view argument);
  void read_sasl();
  [[nodiscard]] bool takes_mechanism() const;
  void respond_sasl(const std::optional<std::string>& response);
  void follow_sasl(SaslStep step);
  void end_sasl(const message::Status& status);

  // server_text.cc
  void begin_text();
  void read_data();
  void begin_chunk(const ChunkCommand& chunk, const Denial* denial);
  void read_chunk();
  void take_text(std::string_view text);
  void abort_text();
  [[nodiscard]] std::optional<Denial> text_denial() const;
  void end_chunk();
  void end_text();

  const ServerOptions& options_;
  Mode mode_ = Mode::kCommands;
  Ask ask_ = Ask::kNothing;
  std::string_view answer_reason_;  // static; "": that of the question

  // Input. `input_view_` is what is not yet looked at: in the bytes given to receive(), or, from
  // the time next() had nothing more to give, in `kept_`.
  std::string_view input_view_;
  std::string kept_;
  LineReader lines_;

  // Output.
  std::vector<ServerAction> actions_;
  std::size_t actions_given_ = 0;
  std::string unsent_;

  // Time. A value of max() says: not running.
  TimePoint now_ = TimePoint::max();

  struct ToldTime {
    WallTime wall;
    TimePoint at;
  };

  std::optional<ToldTime> told_time_;
  TimePoint quiet_since_ = TimePoint::max();  // the last sign of life
  TimePoint login_due_ = TimePoint::max();
  TimePoint line_due_ = TimePoint::max();
  TimePoint text_due_ = TimePoint::max();
  // The window in which the text must bring data_rate_min; max(): no text is awaited.
  TimePoint rate_due_ = TimePoint::max();
  std::uint64_t rate_octets_ = 0;  // that it brought so far
  // Since when the adapter does not read; max(): it does.
  TimePoint held_since_ = TimePoint::max();

  // The connection.
  std::optional<TlsFacts> tls_;
  std::string helo_;
  bool extended_ = false;  // EHLO, not HELO
  // The latest time of release that the reply to EHLO told; nullopt: FUTURERELEASE is not offered.
  std::optional<WallTime> release_max_;
  bool authenticated_ = false;
  std::string user_;
  bool input_ended_ = false;
  bool shutting_down_ = false;
  unsigned messages_ = 0;
  unsigned errors_ = 0;         // since the last accepted message
  unsigned idle_commands_ = 0;  // likewise
  unsigned auth_failures_ = 0;
  std::optional<SaslMechanism> sasl_;
  bool scram_offered_ = false;
  bool scram_begun_ = false;

  // The transaction.
  bool in_transaction_ = false;  // MAIL was accepted
  // How many more commands may fail for want of a transaction without being counted as errors:
  // behind a refused MAIL a pipelining client has sent its recipients already.
  std::size_t pardons_ = 0;
  message::Envelope envelope_;
  Seconds hold_for_{0};  // from the end of the text
  std::vector<message::Recipient> recipients_;
  message::Recipient asked_recipient_;

  // The text of the transaction, from 354 or the first BDAT. What is wrong with it is gathered to
  // the end and then judged in a fixed order, so that the reply does not depend on how the bytes
  // came.
  struct Text {
    explicit Text(std::size_t line_max) : data(line_max), chunks(line_max) {}

    DataDecoder data;
    TextCheck chunks;
    message::HeaderScan headers;
    std::uint64_t size = 0;
    bool open = false;  // the adapter is getting it: AbortBody or AskCommit is owed
    bool chunked = false;
  };

  Text text_{0};
  std::uint64_t chunk_size_ = 0;
  std::uint64_t chunk_left_ = 0;
  bool chunk_last_ = false;
  std::optional<Denial> chunk_denial_;  // the chunk may not be sent now: it is only passed over
};

}  // namespace postrider::smtp
