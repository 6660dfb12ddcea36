// PEM files: certificates and keys as OpenSSL's objects, with errors that name the file and what is
// wrong with it. Private to relay/tls. Thread: pure; they read files, so never on a loop.
#pragma once

#include <string>
#include <vector>

#include "relay/base/result.h"
#include "relay/tls/openssl.h"

namespace postrider::tls {

// A file larger than this is not read: no bundle of certificates comes near it.
inline constexpr std::size_t kPemFileMax = std::size_t{8} << 20;

// All certificates of the file, in its order; at least one. `role` names the file in errors, as in
// "certificate file".
Result<std::vector<CertificatePtr>> read_certificates(const std::string& role,
                                                      const std::string& path);

// The first private key of the file. A key under a passphrase is an error: a daemon has nobody to
// ask.
Result<KeyPtr> read_key(const std::string& path);

}  // namespace postrider::tls
