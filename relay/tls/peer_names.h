// What a certificate calls its holder, in the form in which a configuration names certificates.
// Private to relay/tls. Thread: pure.
#pragma once

#include <string>
#include <vector>

#include "relay/tls/openssl.h"

namespace postrider::tls {

// "sha256:" with the fingerprint in lower-case hex, and of the subjectAltName (RFC 5280 section
// 4.2.1.6) "email:" with a mailbox and "dns:" with a host name in lower case. Names that are not
// printable ASCII, and those beyond the first hundred, are left out.
std::vector<std::string> certificate_names(const X509* certificate);

}  // namespace postrider::tls
