// ClientSession: logging in (RFC 4954) with PLAIN (RFC 4616) or LOGIN.
#include <algorithm>
#include <cstddef>

#include "relay/base/ascii.h"
#include "relay/smtp/client_machine.h"

namespace postrider::smtp {

using message::Stage;

namespace {

// RFC 5321 section 4.5.3.1.4, the line end included. RFC 4954 section 4: a longer initial response
// waits for the server's challenge.
constexpr std::size_t kCommandLineMax = 512;

bool offers(const std::vector<std::string>& mechanisms, std::string_view name) {
  return std::any_of(mechanisms.begin(), mechanisms.end(), [name](const std::string& mechanism) {
    return ascii::iequals(mechanism, name);
  });
}

}  // namespace

// TLS is settled: is a login next?
void ClientSession::Machine::settle_auth() {
  if (!options_.login) return become_ready();
  const ClientLogin& login = *options_.login;
  if (!tls_) return end_locally(Stage::kAuth, "a login is not sent without TLS");
  std::string plain;
  plain.append(1, '\0').append(login.user).append(1, '\0').append(login.password);
  plain = ascii::base64_encode(plain);
  auth_responses_.clear();
  if (offers(capabilities_.auth, "PLAIN")) {
    auth_command_ = "AUTH PLAIN " + plain;
    if (auth_command_.size() + 2 > kCommandLineMax) {
      auth_command_ = "AUTH PLAIN";
      auth_responses_ = {plain};
    }
  } else if (offers(capabilities_.auth, "LOGIN")) {
    auth_command_ = "AUTH LOGIN";
    // Taken from the end.
    auth_responses_ = {ascii::base64_encode(login.password), ascii::base64_encode(login.user)};
  } else {
    return end_locally(Stage::kAuth, "the server offers neither AUTH PLAIN nor AUTH LOGIN");
  }
  add_step(StepKind::kAuth);
}

void ClientSession::Machine::on_auth() {
  if (replies_.code() == 235) {
    become_ready();
  } else if (replies_.code() == 334 && !auth_responses_.empty()) {
    auth_command_ = std::move(auth_responses_.back());
    auth_responses_.pop_back();
    add_step(StepKind::kAuth);
  } else {
    end_at_answered();
  }
}

}  // namespace postrider::smtp
