// TLS demand: what a destination must offer, and what to do when it does not. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "relay/message/status.h"

namespace postrider::policy {

enum class TlsLevel : std::uint8_t {
  kNone,     // never
  kMay,      // where offered, unverified, plaintext otherwise (RFC 7435)
  kEncrypt,  // required, certificate not checked
  kVerify,   // required, chain and name checked
};

std::string_view name_of(TlsLevel level);

enum class AfterTlsFailure {
  kPlaintextOnce,  // connect again without TLS
  kNextHost,       // withhold the mail from this host
};

// After a failed handshake (or STARTTLS refused where it was required).
AfterTlsFailure after_tls_failure(TlsLevel level);

}  // namespace postrider::policy
