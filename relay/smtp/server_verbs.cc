// ServerSession: command lines. One table of verbs with the states they are legal in, one method a
// verb; AUTH has server_auth.cc.
#include <algorithm>
#include <chrono>
#include <iterator>
#include <string>
#include <utility>

#include "relay/base/ascii.h"
#include "relay/smtp/capabilities.h"
#include "relay/smtp/reply.h"
#include "relay/smtp/server_machine.h"

namespace postrider::smtp {

using message::Recipient;
using message::Status;

namespace {

enum VerbFlags : unsigned {
  kNoArgument = 1U << 0U,
  kNeedsHello = 1U << 1U,
  kNeedsLogin = 1U << 2U,  // and with it TLS; not on a trusted listener
  kOutsideTransaction = 1U << 3U,
  kInTransaction = 1U << 4U,
  kBeforeChunks = 1U << 5U,  // not once a BDAT of this transaction has come
  kIdle = 1U << 6U,          // brings no mail forward: counted against idle_commands_max
};

constexpr unsigned kMailFlags = kNeedsHello | kNeedsLogin | kOutsideTransaction;
constexpr unsigned kRcptFlags = kNeedsHello | kNeedsLogin | kInTransaction | kBeforeChunks;
constexpr unsigned kChunkFlags = kNeedsHello | kNeedsLogin | kInTransaction;

// Why a verb may not be used.
struct Obstacles {
  Denial argument{"syntax", {501, {5, 5, 4}, "This command takes no argument"}};
  Denial hello{"sequence", {503, {5, 5, 1}, "Send EHLO first"}};
  Denial tls{"tls_required", {530, {5, 7, 0}, "Must issue a STARTTLS command first"}};
  Denial login{"auth_required", {530, {5, 7, 0}, "Authentication required"}};
  Denial within{"sequence", {503, {5, 5, 1}, "Not within a mail transaction"}};
  Denial without{"sequence", {503, {5, 5, 1}, "Send MAIL first"}};
  Denial chunks{"sequence", {503, {5, 5, 1}, "Not after BDAT; send RSET first"}};
  Denial recipients{"no_recipients", {554, {5, 5, 1}, "No valid recipients"}};
};

const Obstacles& obstacles() {
  static const Obstacles all;
  return all;
}

}  // namespace

struct ServerSession::Machine::VerbRow {
  Verb verb;
  unsigned flags;
  void (Machine::*method)(std::string_view argument);
};

const ServerSession::Machine::VerbRow* ServerSession::Machine::row_of(Verb verb) {
  static constexpr VerbRow kRows[] = {
      {Verb::kEhlo, kIdle, &Machine::verb_ehlo},
      {Verb::kHelo, kIdle, &Machine::verb_helo},
      {Verb::kStartTls, kNoArgument | kNeedsHello | kOutsideTransaction, &Machine::verb_starttls},
      {Verb::kAuth, kNeedsHello | kOutsideTransaction, &Machine::verb_auth},
      {Verb::kMail, kMailFlags, &Machine::verb_mail},
      {Verb::kRcpt, kRcptFlags, &Machine::verb_rcpt},
      {Verb::kData, kNoArgument | kRcptFlags, &Machine::verb_data},
      {Verb::kBdat, 0,
       &Machine::verb_bdat},  // looks at its state itself: its octets have to be taken
      {Verb::kRset, kNoArgument | kIdle, &Machine::verb_rset},
      {Verb::kNoop, kIdle, &Machine::verb_noop},
      {Verb::kHelp, kIdle, &Machine::verb_help},
      {Verb::kVrfy, kIdle, &Machine::verb_vrfy},
      {Verb::kQuit, kNoArgument, &Machine::verb_quit},
  };
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows),
                                 [verb](const VerbRow& r) { return r.verb == verb; });
  return row == std::end(kRows) ? nullptr : row;
}

// --- Lines ---

void ServerSession::Machine::read_command() {
  if (begins_tls()) {
    drop("tls_on_plain_port");
    return;
  }
  const std::size_t line_max = std::max(options_.command_line_max, options_.auth_line_max);
  const LineVerdict verdict = lines_.read(input_view_, line_max);
  if (verdict == LineVerdict::kIncomplete) {
    if (line_due_ == TimePoint::max()) line_due_ = now_ + options_.command_deadline;
    return;
  }
  if (!lines_.in_line()) line_due_ = TimePoint::max();
  const CommandLine command = split_command(lines_.line());
  if (command.verb == Verb::kHttp) {
    drop("http");
    return;
  }
  const bool too_long =
      command.verb != Verb::kAuth && lines_.line().size() + 2 > options_.command_line_max;
  if (deny_bad_line(too_long && verdict == LineVerdict::kGood ? LineVerdict::kTooLong : verdict)) {
    return;
  }
  dispatch(command);
}

// A TLS record of type handshake where a command should be: somebody speaks TLS to a plain port,
// and would wait for an answer that is none.
bool ServerSession::Machine::begins_tls() const {
  return !tls_ && helo_.empty() && !lines_.in_line() && input_view_.front() == '\x16';
}

// Without a word: what is at the other end does not read SMTP.
void ServerSession::Machine::drop(std::string_view reason) {
  emit(Refused{reason, 421});
  close(reason);
}

bool ServerSession::Machine::deny_bad_line(LineVerdict verdict) {
  switch (verdict) {
    case LineVerdict::kGood:
      return false;
    case LineVerdict::kBareLf:
      deny_fault("bare_lf", {500, {5, 5, 2}, "Bare LF in a command; lines must end in CRLF"});
      return true;
    case LineVerdict::kBareCr:
      deny_fault("bare_cr", {500, {5, 5, 2}, "Bare CR in a command; lines must end in CRLF"});
      return true;
    case LineVerdict::kNul:
      deny_fault("nul", {500, {5, 5, 2}, "NUL in a command"});
      return true;
    case LineVerdict::kTooLong:
    case LineVerdict::kIncomplete:
      break;
  }
  deny_fault("command_line_length", {500, {5, 5, 2}, "Line too long"});
  return true;
}

void ServerSession::Machine::dispatch(const CommandLine& command) {
  const VerbRow* row = row_of(command.verb);
  if (row == nullptr) {
    const bool known = command.verb == Verb::kUnimplemented;
    deny_fault("unknown_command", known ? Status{502, {5, 5, 1}, "Command not implemented"}
                                        : Status{500, {5, 5, 1}, "Command not recognized"});
    return;
  }
  if (too_many_idle_commands(row->flags)) return;
  if (const Denial* denial = obstacle(row->flags, command.argument)) {
    if (command.verb == Verb::kMail && !in_transaction_) pardon_followers();
    deny_obstacle(*denial, row->flags);
    return;
  }
  (this->*row->method)(command.argument);
}

// Why a verb with `flags` may not be used now; null if it may.
const Denial* ServerSession::Machine::obstacle(unsigned flags, std::string_view argument) const {
  const Obstacles& all = obstacles();
  const bool login = (flags & kNeedsLogin) != 0 && options_.mode != ListenerMode::kTrusted;
  if ((flags & kNoArgument) != 0 && !argument.empty()) return &all.argument;
  if ((flags & kNeedsHello) != 0 && helo_.empty()) return &all.hello;
  if (login && !tls_) return &all.tls;
  if (login && !authenticated_) return &all.login;
  if ((flags & kOutsideTransaction) != 0 && in_transaction_) return &all.within;
  if ((flags & kInTransaction) != 0 && !in_transaction_) return &all.without;
  if ((flags & kBeforeChunks) != 0 && text_.chunked) return &all.chunks;
  return nullptr;
}

void ServerSession::Machine::deny_obstacle(const Denial& denial, unsigned flags) {
  if ((flags & kInTransaction) != 0 && pardons_ > 0) {
    --pardons_;
    deny(denial.reason, denial.status);
  } else {
    deny_fault(denial.reason, denial.status);
  }
}

bool ServerSession::Machine::too_many_idle_commands(unsigned flags) {
  if ((flags & kIdle) == 0 || ++idle_commands_ <= options_.idle_commands_max) return false;
  close_with(
      "idle_commands_max",
      {421,
       {4, 7, 0},
       "Too many commands (" + std::to_string(options_.idle_commands_max) + ") without a message"});
  return true;
}

// --- Verbs ---

void ServerSession::Machine::hello(std::string_view argument, bool extended) {
  if (!is_hello_name(argument)) {
    deny_fault("syntax", {501, {5, 5, 4}, "A host name is needed, printable and without spaces"});
    return;
  }
  reset_transaction();  // RFC 5321 section 4.1.4
  pardons_ = 0;
  helo_ = argument;
  extended_ = extended;
  release_max_.reset();
  if (!extended) {
    append_plain_reply(unsent_, 250, options_.host_name);
    return;
  }
  if (told_time_ && options_.mode != ListenerMode::kTrusted &&
      options_.future_release_max > Seconds(0)) {
    release_max_ = std::chrono::floor<Seconds>(wall() + options_.future_release_max);
  }
  append_plain_reply(
      unsent_, 250,
      offer_capabilities(options_, tls_ ? &*tls_ : nullptr, scram_offered_, release_max_));
}

void ServerSession::Machine::verb_ehlo(std::string_view argument) {
  hello(argument, true);
}

void ServerSession::Machine::verb_helo(std::string_view argument) {
  hello(argument, false);
}

void ServerSession::Machine::verb_starttls(std::string_view /*argument*/) {
  if (tls_) {
    deny_fault("sequence", {503, {5, 5, 1}, "TLS is active already"});
    return;
  }
  if (!options_.tls_available) {
    deny_fault("unknown_command", {502, {5, 5, 1}, "STARTTLS is not available"});
    return;
  }
  if (denies_injection()) return;
  ask_ = Ask::kTls;
  emit(AskTls{});
}

// RFC 3207 section 6; CVE-2011-0411 is what becomes of these bytes otherwise.
bool ServerSession::Machine::denies_injection() {
  if (input_view_.empty()) return false;
  close_with("starttls_injection", {554, {5, 5, 0}, "Plaintext after STARTTLS"});
  return true;
}

void ServerSession::Machine::tls_answered(const Status& status) {
  if (denies_injection()) return;
  if (!status.is_positive()) {
    deny(reason_or("tls_refused"), status);
    return;
  }
  append_reply(unsent_, status);
  flush();
  emit(StartTls{});
  mode_ = Mode::kHandshake;
  line_due_ = now_ + options_.command_deadline;
}

void ServerSession::Machine::verb_mail(std::string_view argument) {
  if (options_.messages_max > 0 && messages_ >= options_.messages_max) {
    close_with("messages_max", {421, {4, 7, 0}, "Message limit of this connection reached"});
    return;
  }
  Parsed<MailCommand> parsed = parse_mail(argument, release_max_.has_value());
  if (const Status* refusal = std::get_if<Status>(&parsed)) {
    pardon_followers();
    deny_unparsed("sender_syntax", *refusal);
    return;
  }
  MailCommand& command = std::get<MailCommand>(parsed);
  if (command.size > options_.message_size_max) {
    pardon_followers();
    deny("message_size",
         {552,
          {5, 3, 4},
          "Message is larger than " + std::to_string(options_.message_size_max) + " octets"});
    return;
  }
  if (const std::optional<Denial> denial = release_denial(command)) {
    pardon_followers();
    deny(denial->reason, denial->status);
    return;
  }
  envelope_ = std::move(command.envelope);
  envelope_.user = user_;
  if (command.hold_until) envelope_.release = *command.hold_until;
  hold_for_ = command.hold_for;
  ask_ = Ask::kSender;
  emit(AskSender{});
}

// RFC 4865 section 4.2: what counts is what was told at EHLO. A time that is over is none in the
// future, and more likely a wrong year than a wish to send now.
std::optional<Denial> ServerSession::Machine::release_denial(const MailCommand& command) const {
  std::string what;
  if (command.hold_for > options_.future_release_max) {
    what =
        "HOLDFOR is more than " + std::to_string(options_.future_release_max.count()) + " seconds";
  } else if (command.hold_until && *command.hold_until > *release_max_) {
    what = "HOLDUNTIL is later than " + to_iso8601_seconds(*release_max_);
  } else if (command.hold_until && *command.hold_until < wall()) {
    what = "HOLDUNTIL is over: it is " + to_iso8601_seconds(wall());
  } else {
    return std::nullopt;
  }
  return Denial{"future_release", {501, {5, 5, 4}, std::move(what)}};
}

void ServerSession::Machine::verb_rcpt(std::string_view argument) {
  if (recipients_.size() >= options_.recipients_max) {
    deny("recipients_max", {452,
                            {4, 5, 3},
                            "Too many recipients (" + std::to_string(options_.recipients_max) +
                                "); send the rest in a new transaction"});
    return;
  }
  Parsed<Recipient> parsed = parse_rcpt(argument, envelope_.smtputf8);
  if (const Status* refusal = std::get_if<Status>(&parsed)) {
    deny_unparsed("recipient_syntax", *refusal);
    return;
  }
  asked_recipient_ = std::move(std::get<Recipient>(parsed));
  ask_ = Ask::kRecipient;
  emit(AskRecipient{asked_recipient_});
}

// A bad address may come from an application's list and is no fault of its protocol; a bad command
// is.
void ServerSession::Machine::deny_unparsed(std::string_view reason, const Status& status) {
  if (status.code == 501 || status.code == 555) {
    deny_fault("syntax", status);
  } else {
    deny(reason, status);
  }
}

void ServerSession::Machine::verb_data(std::string_view /*argument*/) {
  if (recipients_.empty()) {
    deny(obstacles().recipients.reason, obstacles().recipients.status);
    return;
  }
  begin_text();
  mode_ = Mode::kData;
  append_plain_reply(unsent_, 354, "End data with <CR><LF>.<CR><LF>");
}

void ServerSession::Machine::verb_bdat(std::string_view argument) {
  const std::optional<ChunkCommand> chunk = parse_bdat(argument);
  if (!chunk) {
    // Where the next command begins cannot be known.
    close_with("bdat_syntax", {501, {5, 5, 4}, "Syntax: BDAT size [LAST]"});
    return;
  }
  const Denial* denial = obstacle(kChunkFlags, "");
  if (denial == nullptr && recipients_.empty()) denial = &obstacles().recipients;
  begin_chunk(*chunk, denial);
}

void ServerSession::Machine::verb_rset(std::string_view /*argument*/) {
  reset_transaction();
  pardons_ = 0;
  reply(250, {2, 0, 0}, "Ok");
}

void ServerSession::Machine::verb_noop(std::string_view /*argument*/) {
  reply(250, {2, 0, 0}, "Ok");
}

void ServerSession::Machine::verb_help(std::string_view /*argument*/) {
  reply(214, {2, 0, 0}, "See RFC 5321 and RFC 6409");
}

void ServerSession::Machine::verb_vrfy(std::string_view argument) {
  if (argument.empty()) {
    deny_fault("syntax", {501, {5, 5, 4}, "Syntax: VRFY address"});
    return;
  }
  // RFC 5321 section 7.3: no list of users is given away.
  reply(252, {2, 0, 0}, "Cannot verify, but will accept the message and attempt delivery");
}

void ServerSession::Machine::verb_quit(std::string_view /*argument*/) {
  reply(221, {2, 0, 0}, "Bye");
  close("quit");
}

}  // namespace postrider::smtp
