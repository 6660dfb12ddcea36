#include "relay/smtp/sasl.h"

#include <algorithm>

#include "relay/base/ascii.h"

namespace postrider::smtp {

namespace {

// User names come into logs, journals and lookups: no control characters (RFC 4616 forbids NUL).
bool is_user_name(std::string_view text) {
  return !text.empty() && text.size() <= kSaslUserMax &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return (c >= 0 && c < 32) || c == 127; });
}

bool is_password(std::string_view text) {
  return text.size() <= kSaslPasswordMax && text.find('\0') == std::string_view::npos;
}

// RFC 4616: [authzid] NUL authcid NUL passwd, in one response.
class Plain final : public SaslExchange {
 public:
  SaslStep begin() override { return SaslStep::kChallenge; }

  SaslStep respond(std::string_view response) override {
    const std::size_t first = response.find('\0');
    if (first == std::string_view::npos) return SaslStep::kMalformed;
    const std::size_t second = response.find('\0', first + 1);
    if (second == std::string_view::npos) return SaslStep::kMalformed;
    const std::string_view identity = response.substr(0, first);
    const std::string_view name = response.substr(first + 1, second - first - 1);
    const std::string_view password = response.substr(second + 1);
    if (!is_user_name(name) || !is_password(password)) return SaslStep::kMalformed;
    if (!identity.empty() && identity != name) return SaslStep::kForeignIdentity;
    set_user(name);
    set_password(password);
    return SaslStep::kCredentials;
  }
};

// draft-murchison-sasl-login: two prompts. Clients look at neither's text, but some expect these.
class Login final : public SaslExchange {
 public:
  SaslStep begin() override {
    set_challenge("Username:");
    return SaslStep::kChallenge;
  }

  SaslStep respond(std::string_view response) override {
    if (user().empty()) {
      if (!is_user_name(response)) return SaslStep::kMalformed;
      set_user(response);
      set_challenge("Password:");
      return SaslStep::kChallenge;
    }
    if (!is_password(response)) return SaslStep::kMalformed;
    set_password(response);
    return SaslStep::kCredentials;
  }
};

// The messages are the business of whoever knows the verifiers.
class Scram final : public SaslExchange {
 public:
  SaslStep begin() override { return SaslStep::kChallenge; }

  SaslStep respond(std::string_view /*response*/) override { return SaslStep::kForward; }
};

// RFC 4422 appendix A: the authorization identity, or nothing. Who the client is, TLS has shown.
class External final : public SaslExchange {
 public:
  SaslStep begin() override { return SaslStep::kChallenge; }

  SaslStep respond(std::string_view response) override {
    if (!response.empty() && !is_user_name(response)) return SaslStep::kMalformed;
    set_user(response);
    return SaslStep::kIdentity;
  }
};

}  // namespace

std::optional<SaslMechanism> start_sasl(std::string_view mechanism) {
  if (ascii::iequals(mechanism, "PLAIN")) return SaslMechanism{"PLAIN", std::make_unique<Plain>()};
  if (ascii::iequals(mechanism, "LOGIN")) return SaslMechanism{"LOGIN", std::make_unique<Login>()};
  if (ascii::iequals(mechanism, kScramMechanism)) {
    return SaslMechanism{kScramMechanism, std::make_unique<Scram>()};
  }
  if (ascii::iequals(mechanism, kExternalMechanism)) {
    return SaslMechanism{kExternalMechanism, std::make_unique<External>()};
  }
  return std::nullopt;
}

std::optional<std::string> decode_initial_response(std::string_view text) {
  if (text == "=") return std::string();
  return ascii::base64_decode(text);
}

}  // namespace postrider::smtp
