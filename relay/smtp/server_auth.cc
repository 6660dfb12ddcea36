// ServerSession: AUTH and the exchange it begins (RFC 4954).
#include <string>
#include <utility>

#include "relay/base/ascii.h"
#include "relay/base/check.h"
#include "relay/smtp/reply.h"
#include "relay/smtp/server_machine.h"

namespace postrider::smtp {

using message::Status;

void ServerSession::Machine::verb_auth(std::string_view argument) {
  if (options_.mode == ListenerMode::kTrusted) {
    deny_fault("unknown_command", {502, {5, 5, 1}, "AUTH is not available here"});
    return;
  }
  if (!tls_) {
    deny_fault("tls_required", {530, {5, 7, 0}, "Must issue a STARTTLS command first"});
    return;
  }
  if (authenticated_) {
    deny_fault("sequence", {503, {5, 5, 1}, "Authenticated already"});
    return;
  }
  const std::size_t space = argument.find(' ');
  const std::string_view name = argument.substr(0, space);
  const std::string_view initial =
      space == std::string_view::npos ? std::string_view() : ascii::trim(argument.substr(space));
  if (name.empty() || initial.find(' ') != std::string_view::npos) {
    deny_fault("syntax", {501, {5, 5, 4}, "Syntax: AUTH mechanism [initial-response]"});
    return;
  }
  sasl_ = start_sasl(name);
  scram_begun_ = false;
  if (!takes_mechanism()) {
    sasl_.reset();
    deny_fault("auth_mechanism", {504, {5, 5, 4}, "Authentication mechanism not recognized"});
    return;
  }
  if (initial.empty()) {
    follow_sasl(sasl_->exchange->begin());
  } else {
    respond_sasl(decode_initial_response(initial));
  }
}

bool ServerSession::Machine::takes_mechanism() const {
  if (!sasl_) return false;
  if (sasl_->name == kScramMechanism) return scram_offered_;
  return sasl_->name != kExternalMechanism || tls_->external;
}

void ServerSession::Machine::challenge(std::string_view message, std::string_view user,
                                       TimePoint now) {
  if (mode_ == Mode::kClosed) return;  // the session ended while the answer was on its way
  PR_CHECK(ask_ == Ask::kCredentials && sasl_.has_value(), "a challenge outside an exchange");
  now_ = quiet_since_ = now;
  ask_ = Ask::kNothing;
  user_ = user;
  append_challenge(unsent_, message);
  mode_ = Mode::kSasl;
  close_if_due();
}

void ServerSession::Machine::read_sasl() {
  const LineVerdict verdict = lines_.read(input_view_, options_.auth_line_max);
  if (verdict == LineVerdict::kIncomplete) {
    if (line_due_ == TimePoint::max()) line_due_ = now_ + options_.command_deadline;
    return;
  }
  line_due_ = TimePoint::max();
  mode_ = Mode::kCommands;
  if (verdict == LineVerdict::kTooLong) {
    // RFC 4954 section 4.
    end_sasl({500, {5, 5, 6}, "Authentication exchange line is too long"});
  } else if (verdict != LineVerdict::kGood) {
    sasl_.reset();
    user_.clear();
    deny_bad_line(verdict);
  } else if (lines_.line() == "*") {
    end_sasl({501, {5, 7, 0}, "Authentication cancelled"});
  } else {
    respond_sasl(ascii::base64_decode(lines_.line()));
  }
}

void ServerSession::Machine::respond_sasl(const std::optional<std::string>& response) {
  if (!response) {
    end_sasl({501, {5, 5, 2}, "Cannot decode base64"});
    return;
  }
  const SaslStep step = sasl_->exchange->respond(*response);
  if (step == SaslStep::kForward) {
    ask_ = Ask::kCredentials;
    emit(AskScram{*response, !std::exchange(scram_begun_, true)});
    return;
  }
  follow_sasl(step);
}

void ServerSession::Machine::follow_sasl(SaslStep step) {
  switch (step) {
    case SaslStep::kChallenge:
      append_challenge(unsent_, sasl_->exchange->challenge());
      mode_ = Mode::kSasl;
      return;
    case SaslStep::kCredentials: {
      user_ = sasl_->exchange->user();
      ask_ = Ask::kCredentials;
      emit(AskCredentials{std::string(sasl_->name), user_, sasl_->exchange->password()});
      sasl_.reset();
      return;
    }
    case SaslStep::kForward:  // taken where the response is at hand
      return;
    case SaslStep::kIdentity:
      ask_ = Ask::kCredentials;
      emit(AskIdentity{sasl_->exchange->user()});
      sasl_.reset();
      return;
    case SaslStep::kMalformed:
      end_sasl({501, {5, 5, 2}, "Malformed authentication response"});
      return;
    case SaslStep::kForeignIdentity:
      sasl_.reset();
      credentials_answered({535, {5, 7, 8}, "Authentication credentials invalid"});
      return;
  }
}

void ServerSession::Machine::end_sasl(const Status& status) {
  sasl_.reset();
  user_.clear();  // a challenge may have named one
  deny_fault("auth_exchange", status);
}

}  // namespace postrider::smtp
