// Key: a private key that signs, and the digest it signs; the door to OpenSSL in relay/signing.
// Thread: a Key is immutable; a Sha256 has one owner.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "relay/base/result.h"

// OpenSSL's, whose headers stay in key.cc.
struct evp_md_ctx_st;
struct evp_pkey_st;

namespace postrider::signing {

using Digest = std::array<unsigned char, 32>;

// SHA-256 of what comes in parts.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::string_view bytes);
  // Once.
  Digest finish();

 private:
  evp_md_ctx_st* context_;
};

enum class Algorithm : std::uint8_t { kRsa, kEd25519 };

// "rsa-sha256", as in the tag "a=".
std::string_view name_of(Algorithm algorithm);

class Key {
 public:
  // RFC 8301 section 3.2: fewer are not to be used; and fewer than the second are too weak for
  // long.
  static constexpr unsigned kRsaBitsMin = 1024;
  static constexpr unsigned kRsaBitsGood = 2048;
  // Verifiers need not take more (RFC 6376 section 3.3.3), and each signature costs eight times
  // that of 2048.
  static constexpr unsigned kRsaBitsMax = 4096;
  // Octets of a key file that are read.
  static constexpr std::size_t kFileMax = std::size_t{64} * 1024;

  // The first private key of a PEM file (PKCS #1 or #8), without a passphrase: RSA or Ed25519. It
  // has signed once when this returns. Reads a file: never on a loop.
  static Result<std::shared_ptr<const Key>> read(const std::string& path);
  // The same from the text of such a file; `what` names it in errors.
  static Result<std::shared_ptr<const Key>> parse(const std::string& pem, const std::string& what);
  ~Key();
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  [[nodiscard]] Algorithm algorithm() const { return algorithm_; }

  [[nodiscard]] unsigned bits() const { return bits_; }

  // What belongs into the DNS (RFC 6376 section 3.6.1, RFC 8463 section 4): "v=DKIM1; k=rsa;
  // p=...".
  [[nodiscard]] const std::string& record() const { return record_; }

  // RSASSA-PKCS1-v1_5, or PureEdDSA over the digest (RFC 8463 section 3). Error: OpenSSL could not.
  [[nodiscard]] Result<std::string> sign(const Digest& digest) const;

 private:
  explicit Key(evp_pkey_st* owned) : key_(owned) {}

  Result<void> examine(const std::string& what);

  evp_pkey_st* key_;
  Algorithm algorithm_ = Algorithm::kRsa;
  unsigned bits_ = 0;
  std::string record_;
};

}  // namespace postrider::signing
