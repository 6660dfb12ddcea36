#include "relay/smtp/client_session.h"

#include <algorithm>
#include <utility>

#include "relay/base/check.h"
#include "relay/smtp/client_machine.h"

namespace postrider::smtp {

using message::Stage;
using message::Status;

// --- The session is a handle on its machine ---

ClientSession::ClientSession(const ClientOptions& options)
    : machine_(std::make_unique<Machine>(options)) {}

ClientSession::~ClientSession() = default;

void ClientSession::start(TimePoint now, const std::optional<TlsFacts>& tls) {
  machine_->start(now, tls);
}

void ClientSession::send(Transaction transaction, TimePoint now) {
  machine_->send(std::move(transaction), now);
}

void ClientSession::quit(TimePoint now) {
  machine_->quit(now);
}

void ClientSession::receive(std::string_view bytes, TimePoint now) {
  machine_->receive(bytes, now);
}

void ClientSession::tls_established(const TlsFacts& facts, TimePoint now) {
  machine_->tls_established(facts, now);
}

void ClientSession::tls_failed(std::string_view reason, TimePoint now) {
  machine_->tls_failed(reason, now);
}

void ClientSession::scram_message(std::string_view message, TimePoint now) {
  machine_->scram_message(message, now);
}

void ClientSession::scram_failed(std::string_view reason, TimePoint now) {
  machine_->scram_failed(reason, now);
}

void ClientSession::text(const message::Body& piece, TimePoint now) {
  machine_->text(piece, now);
}

void ClientSession::text_failed(std::string_view reason, TimePoint now) {
  machine_->text_failed(reason, now);
}

void ClientSession::connection_lost(std::string_view reason, TimePoint now) {
  machine_->connection_lost(reason, now);
}

void ClientSession::sent(TimePoint now) {
  machine_->sent(now);
}

void ClientSession::tick(TimePoint now) {
  machine_->tick(now);
}

TimePoint ClientSession::deadline() const {
  return machine_->deadline();
}

std::optional<ClientAction> ClientSession::next() {
  return machine_->next();
}

const ClientSession::Capabilities& ClientSession::capabilities() const {
  return machine_->capabilities();
}

const std::optional<TlsFacts>& ClientSession::tls() const {
  return machine_->tls();
}

const std::string& ClientSession::peer_name() const {
  return machine_->peer_name();
}

unsigned ClientSession::transactions() const {
  return machine_->transactions();
}

// --- Steps ---

// A row a kind of step, in the order of StepKind.
struct ClientSession::Machine::StepRow {
  std::string_view name;  // as it stands in messages about it
  Stage stage;
  Duration ClientTimeouts::*timeout;
  bool groups;  // may be sent behind an unanswered step, and have others sent behind it (RFC 2920)
  void (Machine::*on_reply)();
};

const ClientSession::Machine::StepRow& ClientSession::Machine::row_of(StepKind kind) {
  static constexpr StepRow kRows[] = {
      {"the greeting", Stage::kGreeting, &ClientTimeouts::greeting, false, &Machine::on_greeting},
      {"EHLO", Stage::kHello, &ClientTimeouts::hello, false, &Machine::on_ehlo},
      {"HELO", Stage::kHello, &ClientTimeouts::hello, false, &Machine::on_helo},
      {"LHLO", Stage::kHello, &ClientTimeouts::hello, false, &Machine::on_lhlo},
      {"STARTTLS", Stage::kStartTls, &ClientTimeouts::start_tls, false, &Machine::on_start_tls},
      {"AUTH", Stage::kAuth, &ClientTimeouts::hello, false, &Machine::on_auth},
      {"RSET", Stage::kMail, &ClientTimeouts::mail, true, &Machine::on_reset},
      {"MAIL", Stage::kMail, &ClientTimeouts::mail, true, &Machine::on_mail},
      {"RCPT", Stage::kRecipient, &ClientTimeouts::recipient, true, &Machine::on_recipient},
      {"DATA", Stage::kData, &ClientTimeouts::data, true, &Machine::on_data},
      {"the end of data", Stage::kEndOfData, &ClientTimeouts::end_of_data, false,
       &Machine::on_text},
      {"QUIT", Stage::kMail, &ClientTimeouts::quit, false, &Machine::on_quit},
  };
  return kRows[static_cast<std::size_t>(kind)];
}

ClientSession::Machine::Machine(const ClientOptions& options)
    : options_(options), replies_(options.reply_lines_max, options.reply_line_max) {}

bool ClientSession::Machine::may_send(const Step& step) const {
  if (!waiting()) return true;
  return capabilities_.pipelining && options_.pipelining && row_of(step.kind).groups;
}

// Sends what may be sent.
void ClientSession::Machine::advance() {
  while (sent_ < steps_.size() && may_send(steps_[sent_])) {
    Step& step = steps_[sent_];
    mark_sent(step);
    ++sent_;
    if (step.kind == StepKind::kText) {
      send_text();
    } else {
      append_command(step);
    }
  }
  push_commands();
}

void ClientSession::Machine::mark_sent(Step& step) {
  step.batch = batches_ + 1;
  step.ahead = sent_ - answered_;
  step.due = now_ + patience(step);
  if (step.kind == StepKind::kText) {
    step.due = now_ + options_.timeouts.text;
    text_batch_ = step.batch;
  }
}

// How long the reply to `step` may take from the time its last byte was sent.
Duration ClientSession::Machine::patience(const Step& step) const {
  return options_.timeouts.*row_of(step.kind).timeout +
         kPipelinedAllowance * static_cast<Duration::rep>(step.ahead);
}

void ClientSession::Machine::append_command(const Step& step) {
  switch (step.kind) {
    case StepKind::kEhlo:
      commands_ += "EHLO " + options_.helo_name;
      break;
    case StepKind::kHelo:
      commands_ += "HELO " + options_.helo_name;
      break;
    case StepKind::kLhlo:
      commands_ += "LHLO " + options_.helo_name;
      break;
    case StepKind::kStartTls:
      commands_ += "STARTTLS";
      break;
    case StepKind::kAuth:
      commands_ += std::exchange(auth_command_, {});
      break;
    case StepKind::kReset:
      commands_ += "RSET";
      break;
    case StepKind::kMail:
      append_mail();
      break;
    case StepKind::kRecipient:
      append_recipient(transaction_.recipients[step.recipient]);
      break;
    case StepKind::kData:
      commands_ += "DATA";
      break;
    case StepKind::kQuit:
      commands_ += "QUIT";
      break;
    case StepKind::kGreeting:
    case StepKind::kText:
      return;
  }
  commands_ += "\r\n";
}

void ClientSession::Machine::push_commands() {
  if (commands_.empty()) return;
  std::vector<Chunk> chunks;
  chunks.emplace_back(std::exchange(commands_, {}));
  push_chunks(std::move(chunks));
}

void ClientSession::Machine::push_chunks(std::vector<Chunk> chunks) {
  ++batches_;
  actions_.push_back(SendChunks{std::move(chunks)});
}

void ClientSession::Machine::forget_steps() {
  steps_.clear();
  sent_ = answered_ = 0;
}

// --- Events ---

void ClientSession::Machine::start(TimePoint now, const std::optional<TlsFacts>& tls) {
  now_ = now;
  tls_ = tls;
  add_step(StepKind::kGreeting);
  steps_[0].due = now + options_.timeouts.greeting;
  sent_ = 1;  // connecting was the asking
}

void ClientSession::Machine::send(Transaction transaction, TimePoint now) {
  PR_CHECK(phase_ == Phase::kReady || phase_ == Phase::kEnded);
  PR_CHECK(!transaction.recipients.empty());
  now_ = now;
  transaction_ = std::move(transaction);
  begin_transaction();
}

void ClientSession::Machine::quit(TimePoint now) {
  if (phase_ == Phase::kEnded) return;
  PR_CHECK(phase_ == Phase::kReady);
  now_ = now;
  if (replies_.in_reply()) {
    end(Stage::kMail, {0, {}, "the server sent a reply to nothing"}, false);
    return;
  }
  phase_ = Phase::kQuitting;
  add_step(StepKind::kQuit);
  advance();
}

void ClientSession::Machine::receive(std::string_view bytes, TimePoint now) {
  now_ = now;
  while (!bytes.empty() && phase_ != Phase::kEnded) {
    // RFC 3207 section 4.2: nothing that came before TLS counts after it.
    if (phase_ == Phase::kHandshake) return;
    const ReplyVerdict verdict = replies_.read(bytes);
    if (verdict == ReplyVerdict::kMalformed) {
      end_at_head({0, {}, "the server sent something that is no SMTP reply"});
    } else if (verdict == ReplyVerdict::kTooLong) {
      end_at_head({0, {}, "the server's reply was too long"});
    } else if (!waiting()) {
      on_unasked();
    } else if (verdict == ReplyVerdict::kComplete) {
      handle_reply();
    }
  }
  if (phase_ == Phase::kEnded || phase_ == Phase::kHandshake) return;
  // Only now, with all replies taken, may the next command go out.
  if (phase_ == Phase::kTransaction && !waiting() && sent_ == steps_.size()) finish_transaction();
  advance();
}

void ClientSession::Machine::handle_reply() {
  const Step& step = steps_[answered_];
  if (replies_.code() == 421 && step.kind != StepKind::kQuit) {
    end_at_head(replies_.status());
    return;
  }
  any_answer_ = true;
  ++answered_;
  (this->*row_of(step.kind).on_reply)();
}

void ClientSession::Machine::sent(TimePoint now) {
  now_ = now;
  if (batches_sent_ < batches_) ++batches_sent_;
  for (std::size_t at = answered_; at < sent_; ++at) {
    Step& step = steps_[at];
    if (step.batch == batches_sent_) step.due = now + patience(step);
  }
  if (encoder_ && text_under_way_ && !text_asked_ && batches_sent_ == batches_) ask_text();
}

TimePoint ClientSession::Machine::deadline() const {
  if (phase_ == Phase::kEnded) return TimePoint::max();
  if (phase_ == Phase::kHandshake) return handshake_due_;
  return waiting() ? steps_[answered_].due : TimePoint::max();
}

void ClientSession::Machine::tick(TimePoint now) {
  if (now < deadline()) return;
  now_ = now;
  if (phase_ == Phase::kHandshake) {
    end(Stage::kHandshake, {0, {}, "timed out in the TLS handshake"}, false);
    return;
  }
  const Step& head = steps_[answered_];
  const bool unsent = head.batch > batches_sent_;
  std::string text = unsent ? "timed out sending " : "timed out waiting for the reply to ";
  if (head.kind == StepKind::kGreeting) text = "timed out waiting for ";
  text += unsent && head.kind == StepKind::kText ? "the message text" : row_of(head.kind).name;
  end_at_head({0, {}, std::move(text)});
}

void ClientSession::Machine::tls_established(const TlsFacts& facts, TimePoint now) {
  if (phase_ != Phase::kHandshake) return;
  now_ = now;
  tls_ = facts;
  capabilities_ = {};
  phase_ = Phase::kOpening;
  replies_ = ReplyParser(options_.reply_lines_max, options_.reply_line_max);
  forget_steps();
  add_hello();
  advance();
}

void ClientSession::Machine::tls_failed(std::string_view reason, TimePoint now) {
  now_ = now;
  end(Stage::kHandshake, {0, {}, std::string(reason)}, false);
}

void ClientSession::Machine::connection_lost(std::string_view reason, TimePoint now) {
  if (phase_ == Phase::kEnded) return;
  now_ = now;
  Status status{0, {}, std::string(reason)};
  if (phase_ == Phase::kHandshake) {
    end(Stage::kHandshake, std::move(status), false);
  } else if (phase_ == Phase::kReady || phase_ == Phase::kQuitting) {
    end(Stage::kMail, std::move(status), true);
  } else {
    end_at_head(std::move(status));
  }
}

std::optional<ClientAction> ClientSession::Machine::next() {
  if (actions_given_ == actions_.size()) {
    actions_.clear();
    actions_given_ = 0;
    return std::nullopt;
  }
  return std::move(actions_[actions_given_++]);
}

// --- The end ---

void ClientSession::Machine::on_quit() {
  end(Stage::kMail, replies_.status(), true);
}

// A 421 between transactions is a server's way to say that it closes (RFC 5321 section 3.8).
void ClientSession::Machine::on_unasked() {
  const bool between =
      phase_ == Phase::kReady || (phase_ == Phase::kTransaction && sent_ == steps_.size());
  if (between && replies_.in_reply()) return;  // it may become one; until then nothing can be sent
  if (between && replies_.code() == 421) {
    end(Stage::kMail, replies_.status(), true);
    return;
  }
  const Stage stage = answered_ > 0 ? row_of(steps_[answered_ - 1].kind).stage : Stage::kMail;
  end(stage, {0, {}, "the server sent a reply to nothing"}, false);
}

// Ends with `status` at the step whose reply is awaited.
void ClientSession::Machine::end_at_head(Status status) {
  // Before Ready nothing is awaited only while a SCRAM message of ours is.
  const Stage between = phase_ == Phase::kOpening ? Stage::kAuth : Stage::kMail;
  const Stage stage = waiting() ? row_of(steps_[answered_].kind).stage : between;
  end(stage, std::move(status), phase_ == Phase::kQuitting);
}

// Ends at the step that was just answered, because of its reply. A reply that refuses is the
// status; one that makes no sense there must not be taken for success.
void ClientSession::Machine::end_at_answered() {
  Status status = replies_.status();
  const StepRow& row = row_of(steps_[answered_ - 1].kind);
  if (status.code < 400) {
    status = {0, {}, "unexpected reply to " + std::string(row.name) + ": " + status.to_line()};
  }
  end(row.stage, std::move(status), false);
}

// Ends for a reason of our own, with a QUIT whose reply is not waited for.
void ClientSession::Machine::end_locally(Stage stage, std::string text) {
  commands_ += "QUIT\r\n";
  push_commands();
  end(stage, {0, {}, std::move(text)}, false);
}

void ClientSession::Machine::end(Stage stage, Status status, bool orderly) {
  if (phase_ == Phase::kEnded) return;
  if (phase_ == Phase::kTransaction) break_off(stage, status);
  phase_ = Phase::kEnded;
  forget_steps();
  commands_.clear();
  // What nobody has been asked yet is not asked any more.
  const auto unseen = actions_.begin() + static_cast<std::ptrdiff_t>(actions_given_);
  actions_.erase(std::remove_if(unseen, actions_.end(),
                                [](const ClientAction& action) {
                                  return std::holds_alternative<Ready>(action) ||
                                         std::holds_alternative<AskText>(action);
                                }),
                 actions_.end());
  actions_.push_back(Ended{stage, std::move(status), orderly});
}

}  // namespace postrider::smtp
