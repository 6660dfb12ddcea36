// Password hashes in crypt(5) form (yescrypt, bcrypt, sha512crypt): making and checking them.
//
// Both take milliseconds by design: never call them on a loop. Thread: any.
#pragma once

#include <string>
#include <string_view>

#include "relay/base/result.h"

namespace postrider::auth {

// A yescrypt hash ("$y$...") with a fresh salt. An error for an empty password, one with a NUL, or
// one of more than 511 octets, which crypt(3) cannot tell from shorter ones.
Result<std::string> hash_password(std::string_view password);
// Constant in the position of a mismatch. A hash of unknown form matches nothing, and a password
// that cannot be hashed matches no hash.
bool verify_password(std::string_view password, const std::string& hash);
// "$y$", "$2b$", "$6$"... are supported; the error says what is not, showing the
// prefix only. For `check`.
Result<void> check_hash(const std::string& hash);

}  // namespace postrider::auth
