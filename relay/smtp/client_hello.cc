// ClientSession: from the greeting to Ready, by way of EHLO, HELO or LHLO, STARTTLS and a login.
#include <string_view>

#include "relay/base/ascii.h"
#include "relay/smtp/capabilities.h"
#include "relay/smtp/client_machine.h"

namespace postrider::smtp {

using message::Stage;

void ClientSession::Machine::on_greeting() {
  if (replies_.code() != 220) {
    end_at_answered();
    return;
  }
  const std::string_view text = replies_.text();
  const std::string_view name = text.substr(0, text.find_first_of(" \n"));
  if (name.size() <= message::kDomainMax && ascii::is_visible(name)) {
    peer_name_ = name;
  }
  add_hello();
}

void ClientSession::Machine::add_hello() {
  add_step(is_lmtp() ? StepKind::kLhlo : StepKind::kEhlo);
}

void ClientSession::Machine::on_ehlo() {
  const int code = replies_.code();
  if (code == 250) {
    capabilities_ = parse_capabilities(replies_.text());
    settle_start_tls();
  } else if (code >= 500 && code <= 504) {
    // RFC 5321 section 3.2: a server from before EHLO. Other refusals are of us, not of the word.
    add_step(StepKind::kHelo);
  } else {
    end_at_answered();
  }
}

void ClientSession::Machine::on_helo() {
  if (replies_.code() != 250) {
    end_at_answered();
    return;
  }
  capabilities_ = {};
  settle_start_tls();
}

// RFC 2033 section 4.1: as EHLO, and there is no HELO to fall back on.
void ClientSession::Machine::on_lhlo() {
  if (replies_.code() != 250) {
    end_at_answered();
    return;
  }
  capabilities_ = parse_capabilities(replies_.text());
  settle_start_tls();
}

// Hello is through: is TLS next?
void ClientSession::Machine::settle_start_tls() {
  const bool wanted = !tls_ && options_.start_tls != StartTlsUse::kNever;
  if (wanted && capabilities_.start_tls) {
    add_step(StepKind::kStartTls);
  } else if (wanted && options_.start_tls == StartTlsUse::kRequired) {
    end_locally(Stage::kStartTls, "STARTTLS is required, and the server does not offer it");
  } else {
    settle_auth();
  }
}

void ClientSession::Machine::on_start_tls() {
  if (replies_.code() == 220) {
    phase_ = Phase::kHandshake;
    handshake_due_ = now_ + options_.timeouts.start_tls;
    forget_steps();
    actions_.push_back(StartTls{});
  } else if (options_.start_tls == StartTlsUse::kIfOffered && replies_.code() >= 400) {
    settle_auth();
  } else {
    end_at_answered();
  }
}

void ClientSession::Machine::become_ready() {
  phase_ = Phase::kReady;
  forget_steps();
  actions_.push_back(Ready{});
}

}  // namespace postrider::smtp
