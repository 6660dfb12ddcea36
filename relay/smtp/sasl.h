// The exchanges of AUTH (RFC 4954), server side: what the client says becomes credentials; whether
// they are right is decided elsewhere. One class a mechanism behind one interface; nothing here
// knows lines, base64 framing of commands, or sockets.
//
// Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::smtp {

// Octets of a user name and of a password (RFC 4616 section 2 asks for at least 255).
inline constexpr std::size_t kSaslUserMax = 255;
inline constexpr std::size_t kSaslPasswordMax = 1024;

// What EHLO offers, in this order.
inline constexpr std::string_view kSaslMechanisms = "PLAIN LOGIN";
// Offered, behind those, only where some account can use it: clients that know it prefer it, and
// fail where the account has no verifier.
inline constexpr std::string_view kScramMechanism = "SCRAM-SHA-256";

// Offered only where the client's certificate is good and some user's (RFC 4422 appendix A).
inline constexpr std::string_view kExternalMechanism = "EXTERNAL";

enum class SaslStep : std::uint8_t {
  kChallenge,        // send challenge(), then call respond() with what comes back
  kCredentials,      // user() and password() are there
  kForward,          // what to answer is decided elsewhere, and so is the rest of the exchange
  kIdentity,         // user() is whom the client wants to be; "": whom its certificate says
  kMalformed,        // not what the mechanism's grammar says
  kForeignIdentity,  // authorization identity that is not the user's own
};

class SaslExchange {
 public:
  virtual ~SaslExchange() = default;
  // The beginning when the client gave no initial response.
  virtual SaslStep begin() = 0;
  // `response` decoded; the initial response, or the answer to a challenge.
  virtual SaslStep respond(std::string_view response) = 0;

  // Not encoded.
  [[nodiscard]] const std::string& challenge() const { return challenge_; }

  [[nodiscard]] const std::string& user() const { return user_; }

  [[nodiscard]] const std::string& password() const { return password_; }

 protected:
  void set_challenge(std::string_view challenge) { challenge_ = challenge; }

  void set_user(std::string_view user) { user_ = user; }

  void set_password(std::string_view password) { password_ = password; }

 private:
  std::string challenge_;
  std::string user_;
  std::string password_;
};

struct SaslMechanism {
  std::string_view name;  // static
  std::unique_ptr<SaslExchange> exchange;
};

// A fresh exchange; nullopt: a mechanism we do not have.
std::optional<SaslMechanism> start_sasl(std::string_view mechanism);

// An initial response in its wire form: "=" is the empty one (RFC 4954 section 4). nullopt: no
// base64.
std::optional<std::string> decode_initial_response(std::string_view text);

}  // namespace postrider::smtp
