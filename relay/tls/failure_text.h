// Why a TLS connection failed, in words an operator can act on. Private to relay/tls. Thread: pure;
// reads the calling thread's OpenSSL error queue.
#pragma once

#include <string>
#include <string_view>

#include "relay/tls/openssl.h"

namespace postrider::tls {

// What the first bytes from the peer are if they cannot begin a TLS record, else "". Of a server's
// text the line is shown, of a client's the first word only: a lost client might be sending
// credentials.
std::string describe_plaintext(std::string_view first_bytes, bool from_server);

// Empties the error queue of a call on `ssl` that failed. `leaf` and `verified_name` are
// those of describe_verification.
std::string describe_failure(const SSL* ssl, X509* leaf, std::string_view verified_name);

// The verdict on the peer's certificate, "" if it was good: what is wrong, and if `leaf` (may be
// null) is not for `verified_name`, for which names it is.
std::string describe_verification(const SSL* ssl, X509* leaf, std::string_view verified_name);

}  // namespace postrider::tls
