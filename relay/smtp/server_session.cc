#include "relay/smtp/server_session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "relay/base/check.h"
#include "relay/smtp/reply.h"
#include "relay/smtp/server_machine.h"

namespace postrider::smtp {

using message::Status;

namespace {

constexpr std::string_view kDataRate = "data_rate";

}  // namespace

// --- The session is a handle on its machine ---

ServerSession::ServerSession(const ServerOptions& options)
    : machine_(std::make_unique<Machine>(options)) {}

ServerSession::~ServerSession() = default;

void ServerSession::start(TimePoint now) {
  machine_->start(now);
}

void ServerSession::refuse(const Status& status, TimePoint now) {
  machine_->refuse(status, now);
}

void ServerSession::receive(std::string_view bytes, TimePoint now) {
  machine_->receive(bytes, now);
}

void ServerSession::answer(const Status& status, TimePoint now, std::string_view reason) {
  machine_->answer(status, now, reason);
}

void ServerSession::offer_scram(bool offered) {
  machine_->offer_scram(offered);
}

void ServerSession::tell_time(WallTime wall, TimePoint now) {
  machine_->tell_time(wall, now);
}

void ServerSession::challenge(std::string_view message, std::string_view user, TimePoint now) {
  machine_->challenge(message, user, now);
}

void ServerSession::identify(std::string_view user) {
  machine_->identify(user);
}

void ServerSession::tls_established(const TlsFacts& facts, TimePoint now) {
  machine_->tls_established(facts, now);
}

void ServerSession::hold(bool held, TimePoint now) {
  machine_->hold(held, now);
}

void ServerSession::end_of_input(TimePoint now) {
  machine_->end_of_input(now);
}

void ServerSession::shut_down(TimePoint now) {
  machine_->shut_down(now);
}

void ServerSession::tick(TimePoint now) {
  machine_->tick(now);
}

TimePoint ServerSession::deadline() const {
  return machine_->deadline();
}

bool ServerSession::wants_input() const {
  return machine_->wants_input();
}

std::optional<ServerAction> ServerSession::next() {
  return machine_->next();
}

const message::Envelope& ServerSession::envelope() const {
  return machine_->envelope();
}

const std::vector<message::Recipient>& ServerSession::recipients() const {
  return machine_->recipients();
}

const std::string& ServerSession::helo() const {
  return machine_->helo();
}

bool ServerSession::authenticated() const {
  return machine_->authenticated();
}

const std::string& ServerSession::user() const {
  return machine_->user();
}

const std::optional<TlsFacts>& ServerSession::tls() const {
  return machine_->tls();
}

std::string_view ServerSession::protocol() const {
  return machine_->protocol();
}

bool ServerSession::awaiting_commit() const {
  return machine_->awaiting_commit();
}

// --- Events ---

void ServerSession::Machine::start(TimePoint now) {
  now_ = quiet_since_ = now;
  login_due_ = now + options_.login_deadline;
  append_plain_reply(unsent_, 220, options_.host_name + " ESMTP postrider");
}

void ServerSession::Machine::refuse(const Status& status, TimePoint now) {
  now_ = quiet_since_ = now;
  emit(Refused{"connection", status.code});
  append_plain_reply(unsent_, status.code, options_.host_name + " " + status.text);
  close("refused");
}

void ServerSession::Machine::receive(std::string_view bytes, TimePoint now) {
  if (mode_ == Mode::kClosed || bytes.empty()) return;
  now_ = quiet_since_ = now;
  if (mode_ == Mode::kHandshake) {
    // Plaintext behind STARTTLS (RFC 3207 section 6): the adapter sends what belongs to TLS
    // elsewhere.
    mode_ = Mode::kCommands;
    close_with("starttls_injection", {554, {5, 5, 0}, "Plaintext after STARTTLS"});
    return;
  }
  if (input_view_.empty()) {
    input_view_ = bytes;
    return;
  }
  keep_input();
  kept_.erase(0, kept_.size() - input_view_.size());
  kept_ += bytes;
  input_view_ = kept_;
}

void ServerSession::Machine::answer(const Status& status, TimePoint now, std::string_view reason) {
  if (mode_ == Mode::kClosed) return;  // the session ended while the answer was on its way
  PR_CHECK(ask_ != Ask::kNothing);
  now_ = quiet_since_ = now;
  const Ask ask = std::exchange(ask_, Ask::kNothing);
  answer_reason_ = reason;
  if (status.code == 421) {
    close_with(reason_or("answered_421"), status);
    return;
  }
  settle_answer(ask, status);
  close_if_due();
}

// What was put off while an answer was awaited.
void ServerSession::Machine::close_if_due() {
  if (mode_ == Mode::kClosed) return;
  if (shutting_down_) close_with("shutdown", {421, {4, 3, 2}, "Shutting down; try again"});
  if (input_ended_) close("peer_closed");
}

void ServerSession::Machine::settle_answer(Ask ask, const Status& status) {
  switch (ask) {
    case Ask::kTls:
      return tls_answered(status);
    case Ask::kCredentials:
      return credentials_answered(status);
    case Ask::kSender:
      return sender_answered(status);
    case Ask::kRecipient:
      return recipient_answered(status);
    case Ask::kCommit:
      return commit_answered(status);
    case Ask::kNothing:
      return;
  }
}

void ServerSession::Machine::tls_established(const TlsFacts& facts, TimePoint now) {
  if (mode_ == Mode::kClosed) return;
  now_ = quiet_since_ = now;
  tls_ = facts;
  // RFC 3207 section 4.2: everything learned before is forgotten.
  mode_ = Mode::kCommands;
  input_view_ = {};
  lines_.reset();
  line_due_ = TimePoint::max();
  helo_.clear();
  extended_ = false;
  release_max_.reset();
  reset_transaction();
}

void ServerSession::Machine::hold(bool held, TimePoint now) {
  const bool is_held = held_since_ != TimePoint::max();
  if (held == is_held) return;
  if (held) {
    held_since_ = now;
    return;
  }
  const Duration lost = now - std::exchange(held_since_, TimePoint::max());
  for (TimePoint* time : {&quiet_since_, &login_due_, &line_due_, &text_due_, &rate_due_}) {
    if (*time != TimePoint::max()) *time += lost;
  }
}

void ServerSession::Machine::end_of_input(TimePoint now) {
  if (mode_ == Mode::kClosed) return;
  now_ = now;
  input_ended_ = true;
  // A text that came whole is still answered: the peer may have closed only its own direction.
  if (ask_ != Ask::kCommit) close("peer_closed");
}

void ServerSession::Machine::shut_down(TimePoint now) {
  if (mode_ == Mode::kClosed) return;
  now_ = now;
  shutting_down_ = true;
  if (ask_ != Ask::kCommit) {
    close_with("shutdown", {421, {4, 3, 2}, "Shutting down; try again"});
  }
}

void ServerSession::Machine::tick(TimePoint now) {
  const Due due_now = due();
  if (mode_ == Mode::kClosed || now < due_now.when) return;
  if (due_now.reason == kDataRate && rate_is_kept(now)) return;
  now_ = now;
  close_with(due_now.reason, {421, {4, 4, 2}, "Timed out; closing the connection"});
}

ServerSession::Machine::Due ServerSession::Machine::due() const {
  Due soonest{TimePoint::max(), "idle_timeout"};
  // While we are the ones who are waited for, the client is not late.
  if (mode_ == Mode::kClosed || ask_ != Ask::kNothing) return soonest;
  if (held_since_ != TimePoint::max()) return soonest;
  if (quiet_since_ != TimePoint::max()) soonest.when = quiet_since_ + options_.idle_timeout;
  const Due others[] = {{login_due_, "login_timeout"},
                        {line_due_, "command_timeout"},
                        {text_due_, "data_timeout"},
                        {rate_due_, kDataRate}};
  for (const Due& other : others) {
    if (other.when < soonest.when) soonest = other;
  }
  return soonest;
}

void ServerSession::Machine::await_text() {
  text_due_ = now_ + options_.data_deadline;
  if (options_.data_rate_min == 0) return;
  rate_due_ = now_ + options_.data_rate_window;
  rate_octets_ = 0;
}

void ServerSession::Machine::stop_awaiting_text() {
  text_due_ = rate_due_ = TimePoint::max();
}

// At the end of a window: whether it brought enough. If so, the next one begins.
bool ServerSession::Machine::rate_is_kept(TimePoint now) {
  const double seconds = std::chrono::duration<double>(options_.data_rate_window).count();
  const double wanted = static_cast<double>(options_.data_rate_min) * seconds;
  if (static_cast<double>(rate_octets_) < wanted) return false;
  rate_due_ = now + options_.data_rate_window;
  rate_octets_ = 0;
  return true;
}

bool ServerSession::Machine::wants_input() const {
  if (mode_ == Mode::kClosed || input_ended_) return false;
  return input_view_.empty();
}

std::string_view ServerSession::Machine::protocol() const {
  if (!extended_) return "SMTP";
  constexpr std::string_view kAscii[] = {"ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA"};
  constexpr std::string_view kUtf8[] = {"UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA"};
  const std::size_t index = (tls_ ? 2U : 0U) + (authenticated_ ? 1U : 0U);
  return envelope_.smtputf8 ? kUtf8[index] : kAscii[index];
}

// --- The flow of actions ---

std::optional<ServerAction> ServerSession::Machine::next() {
  for (;;) {
    if (std::optional<ServerAction> action = take_action()) return action;
    if (!step()) break;
  }
  if (!unsent_.empty()) return Send{std::exchange(unsent_, {})};
  keep_input();
  return std::nullopt;
}

std::optional<ServerAction> ServerSession::Machine::take_action() {
  if (actions_given_ == actions_.size()) {
    actions_.clear();
    actions_given_ = 0;
    return std::nullopt;
  }
  return std::move(actions_[actions_given_++]);
}

// Looks at the next piece of input; false: there is none, or something has to happen first.
bool ServerSession::Machine::step() {
  if (ask_ != Ask::kNothing || input_view_.empty()) return false;
  switch (mode_) {
    case Mode::kCommands:
      read_command();
      return true;
    case Mode::kSasl:
      read_sasl();
      return true;
    case Mode::kData:
      read_data();
      return true;
    case Mode::kChunk:
      read_chunk();
      return true;
    case Mode::kHandshake:
    case Mode::kClosed:
      return false;
  }
  return false;
}

// What is left of the caller's bytes is copied once; it is at most one read, since wants_input() is
// false now.
void ServerSession::Machine::keep_input() {
  if (input_view_.empty()) return;
  const char* end = kept_.data() + kept_.size();
  if (input_view_.data() + input_view_.size() == end) return;  // it is there already
  kept_ = std::string(input_view_);
  input_view_ = kept_;
}

void ServerSession::Machine::flush() {
  if (!unsent_.empty()) emit(Send{std::exchange(unsent_, {})});
}

void ServerSession::Machine::reply(int code, message::EnhancedCode enhanced,
                                   std::string_view text) {
  append_reply(unsent_, {code, enhanced, std::string(text)});
}

// A refusal that is nobody's mistake.
void ServerSession::Machine::deny(std::string_view reason, const Status& status) {
  append_reply(unsent_, status);
  emit(Refused{reason, status.code});
}

// A refusal that counts against errors_max.
void ServerSession::Machine::deny_fault(std::string_view reason, const Status& status) {
  deny(reason, status);
  if (++errors_ >= options_.errors_max) {
    close_with("errors", {421, {4, 7, 0}, "Too many errors"});
  }
}

void ServerSession::Machine::close(std::string_view reason) {
  if (mode_ == Mode::kClosed) return;
  reset_transaction();
  flush();
  emit(Close{reason});
  mode_ = Mode::kClosed;
  ask_ = Ask::kNothing;
  input_view_ = {};
}

void ServerSession::Machine::close_with(std::string_view reason, const Status& status) {
  if (mode_ == Mode::kClosed) return;
  emit(Refused{reason, status.code});
  // Within a handshake a plaintext reply would only be taken for a broken record.
  if (mode_ != Mode::kHandshake) append_reply(unsent_, status);
  close(reason);
}

void ServerSession::Machine::reset_transaction() {
  abort_text();
  text_.chunked = false;
  stop_awaiting_text();
  in_transaction_ = false;
  envelope_ = {};
  hold_for_ = Seconds(0);
  recipients_.clear();
}

// Rounded up, so that no time that is counted from here ends too early.
WallTime ServerSession::Machine::wall() const {
  return told_time_->wall + std::chrono::ceil<Milliseconds>(now_ - told_time_->at);
}

// --- Answers ---

void ServerSession::Machine::credentials_answered(const Status& status) {
  sasl_.reset();
  if (status.is_positive()) {
    authenticated_ = true;
    login_due_ = TimePoint::max();
    append_reply(unsent_, status);
    return;
  }
  user_.clear();
  deny("auth_failed", status);
  if (status.is_permanent() && ++auth_failures_ >= options_.auth_failures_max) {
    close_with("auth_failures", {421, {4, 7, 0}, "Too many failed authentications"});
  }
}

void ServerSession::Machine::sender_answered(const Status& status) {
  if (!status.is_positive()) {
    reset_transaction();
    pardon_followers();
    deny(reason_or("sender_refused"), status);
    return;
  }
  in_transaction_ = true;
  pardons_ = 0;
  login_due_ = TimePoint::max();
  append_reply(unsent_, status);
}

void ServerSession::Machine::recipient_answered(const Status& status) {
  if (!status.is_positive()) {
    deny(reason_or("recipient_refused"), status);
    return;
  }
  recipients_.push_back(std::move(asked_recipient_));
  append_reply(unsent_, status);
}

void ServerSession::Machine::commit_answered(const Status& status) {
  reset_transaction();
  if (!status.is_positive()) {
    deny(reason_or("commit_refused"), status);
    return;
  }
  ++messages_;
  errors_ = idle_commands_ = 0;
  append_reply(unsent_, status);
}

}  // namespace postrider::smtp
