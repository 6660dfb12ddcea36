// ClientSession: logging in (RFC 4954) with SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616) or LOGIN.
#include <algorithm>
#include <cstddef>

#include "relay/base/ascii.h"
#include "relay/smtp/client_machine.h"
#include "relay/smtp/sasl.h"

namespace postrider::smtp {

using message::Stage;

namespace {

// RFC 5321 section 4.5.3.1.4, the line end included. RFC 4954 section 4: a longer initial response
// waits for the server's challenge.
constexpr std::size_t kCommandLineMax = 512;

// Of a SCRAM exchange: our first, our proof, and that the server's is right.
constexpr unsigned kScramMessages = 3;

// Whether the server, which offers these, and the login allow a mechanism.
class Choice {
 public:
  Choice(const std::vector<std::string>& offered, const ClientLogin& login)
      : offered_(offered), login_(login) {}

  [[nodiscard]] bool allows(LoginMechanism mechanism, std::string_view name) const {
    if (login_.mechanism != mechanism && login_.mechanism != LoginMechanism::kFirst) return false;
    return std::any_of(offered_.begin(), offered_.end(),
                       [name](const std::string& one) { return ascii::iequals(one, name); });
  }

 private:
  const std::vector<std::string>& offered_;
  const ClientLogin& login_;
};

std::string_view nothing_to_use(LoginMechanism wanted) {
  switch (wanted) {
    case LoginMechanism::kFirst:
      break;
    case LoginMechanism::kScramSha256:
      return "the server does not offer AUTH SCRAM-SHA-256, or name and password are not "
             "printable ASCII";
    case LoginMechanism::kPlain:
      return "the server does not offer AUTH PLAIN";
    case LoginMechanism::kLogin:
      return "the server does not offer AUTH LOGIN";
  }
  return "the server offers none of AUTH SCRAM-SHA-256, PLAIN and LOGIN";
}

}  // namespace

// TLS is settled: is a login next?
void ClientSession::Machine::settle_auth() {
  if (!options_.login) return become_ready();
  const ClientLogin& login = *options_.login;
  if (!tls_) return end_locally(Stage::kAuth, "a login is not sent without TLS");
  auth_responses_.clear();
  const Choice choice(capabilities_.auth, login);
  if (choice.allows(LoginMechanism::kScramSha256, kScramMechanism) &&
      ascii::is_printable(login.user) && ascii::is_printable(login.password)) {
    actions_.push_back(AskScram{"", true});
  } else if (choice.allows(LoginMechanism::kPlain, "PLAIN")) {
    std::string plain;
    plain.append(1, '\0').append(login.user).append(1, '\0').append(login.password);
    begin_auth("PLAIN", ascii::base64_encode(plain));
  } else if (choice.allows(LoginMechanism::kLogin, "LOGIN")) {
    auth_command_ = "AUTH LOGIN";
    // Taken from the end.
    auth_responses_ = {ascii::base64_encode(login.password), ascii::base64_encode(login.user)};
    add_step(StepKind::kAuth);
  } else {
    end_locally(Stage::kAuth, std::string(nothing_to_use(login.mechanism)));
  }
}

void ClientSession::Machine::begin_auth(std::string_view mechanism, const std::string& response) {
  auth_command_ = "AUTH " + std::string(mechanism);
  if (auth_command_.size() + 1 + response.size() + 2 > kCommandLineMax) {
    auth_responses_ = {response};
  } else {
    auth_command_ += " " + response;
  }
  add_step(StepKind::kAuth);
}

void ClientSession::Machine::on_auth() {
  const bool by_scram = scram_messages_ > 0;
  if (replies_.code() == 235) {
    if (!by_scram || scram_messages_ == kScramMessages) return become_ready();
    end_locally(Stage::kAuth,
                "the server took the login and did not prove that it is the right one");
  } else if (replies_.code() == 334 && !auth_responses_.empty()) {
    auth_command_ = std::move(auth_responses_.back());
    auth_responses_.pop_back();
    add_step(StepKind::kAuth);
  } else if (replies_.code() == 334 && by_scram && scram_messages_ < kScramMessages) {
    ask_scram();
  } else {
    end_at_answered();
  }
}

void ClientSession::Machine::ask_scram() {
  if (auto message = ascii::base64_decode(ascii::trim(replies_.text()))) {
    actions_.push_back(AskScram{*std::move(message), false});
  } else {
    scram_failed("the server's challenge is no base64", now_);
  }
}

void ClientSession::Machine::scram_message(std::string_view message, TimePoint now) {
  if (phase_ == Phase::kEnded) return;
  now_ = now;
  const std::string response = ascii::base64_encode(message);
  if (++scram_messages_ == 1) {
    begin_auth(kScramMechanism, response);
  } else {
    auth_command_ = response;
    add_step(StepKind::kAuth);
  }
  advance();
}

void ClientSession::Machine::scram_failed(std::string_view reason, TimePoint now) {
  if (phase_ == Phase::kEnded) return;
  now_ = now;
  if (scram_messages_ > 0) commands_ += "*\r\n";  // RFC 4954 section 4: the exchange is off
  end_locally(Stage::kAuth, std::string(reason));
}

}  // namespace postrider::smtp
