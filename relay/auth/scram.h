// SCRAM-SHA-256 (RFC 5802, RFC 7677): what is kept of a password so that a client can prove that it
// knows it without saying it.
//
// Thread: functions pure; an exchange one caller at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "relay/auth/keyed_digest.h"
#include "relay/auth/users.h"
#include "relay/base/result.h"

namespace postrider::auth {

struct ScramVerifier {
  unsigned iterations = 0;
  std::string salt;        // octets
  std::string stored_key;  // 32 octets
  std::string server_key;  // 32 octets
};

// "SCRAM-SHA-256$10000:SALT$STOREDKEY:SERVERKEY" in base64, the form of RFC 5803 with the salt
// where other servers write it too. Takes milliseconds: never on a loop. An error for an empty
// password, and for one beyond printable ASCII: RFC 5802 wants such a one prepared by SASLprep, and
// clients differ in whether they do.
Result<std::string> make_scram_verifier(std::string_view password);
// Errors do not show the text.
Result<ScramVerifier> parse_scram_verifier(std::string_view text);

// The server's side of one exchange, without channel binding. It costs two digests, so it may run
// on a loop. A user that does not exist, or has no verifier, is told apart by nothing but the
// outcome.
class ScramExchange {
 public:
  enum class Step : std::uint8_t {
    kChallenge,  // send challenge(), then call respond() with what comes back
    kAccepted,   // user() is who it says
    kRejected,
    kMalformed,  // not what the grammar of RFC 5802 section 7 says
  };

  // `digests` makes up the salts of users that do not exist; it outlives the exchange.
  ScramExchange(std::shared_ptr<const Users> users, const KeyedDigest& digests);

  // The client's next message, decoded. After anything but kChallenge the exchange is over.
  Step respond(std::string_view message);

  [[nodiscard]] const std::string& challenge() const { return challenge_; }

  [[nodiscard]] const std::string& user() const { return user_; }

  // Of that user when the exchange began; see Users.
  [[nodiscard]] std::size_t credentials() const { return users_->credentials(user_); }

  // The next message is the proof of the password: respond() judges it.
  [[nodiscard]] bool awaits_proof() const { return turn_ == Turn::kLast; }

  // What the server adds to the client's nonce; tests set it.
  void set_nonce(std::string nonce) { nonce_ = std::move(nonce); }

 private:
  Step first(std::string_view message);
  Step last(std::string_view message);
  [[nodiscard]] ScramVerifier verifier_of(const std::string& user);

  std::shared_ptr<const Users> users_;
  const KeyedDigest& digests_;
  enum class Turn : std::uint8_t { kFirst, kLast, kAcknowledgement, kOver } turn_ = Turn::kFirst;
  std::string nonce_;
  std::string header_;      // gs2-header
  std::string first_bare_;  // client-first-message-bare
  std::string challenge_;
  std::string user_;
  ScramVerifier verifier_;
  bool real_ = false;  // the verifier is that of the user
  bool for_another_ = false;
};

}  // namespace postrider::auth
