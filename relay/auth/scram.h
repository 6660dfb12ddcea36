// SCRAM-SHA-256 (RFC 5802, RFC 7677): what is kept of a password so that a client can prove that it
// knows it without saying it.
//
// Thread: pure functions.
#pragma once

#include <string>
#include <string_view>

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

}  // namespace postrider::auth
