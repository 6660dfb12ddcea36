#include "relay/auth/keyed_digest.h"

#include <cstring>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "relay/base/check.h"
#include "relay/base/random.h"

namespace postrider::auth {

KeyedDigest::KeyedDigest(std::string_view key) {
  if (key.empty()) {
    SystemRandom().fill(key_);
  } else {
    PR_CHECK(key.size() == key_.size(), "the size of a key for digests");
    std::memcpy(key_.data(), key.data(), key.size());
  }
}

Digest KeyedDigest::of(std::initializer_list<std::string_view> parts) const {
  std::string text;
  for (const std::string_view part : parts) {
    text += std::to_string(part.size());
    text += ':';
    text += part;
  }
  Digest digest{};
  unsigned size = 0;
  const unsigned char* done = HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
                                   reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                   reinterpret_cast<unsigned char*>(digest.data()), &size);
  wipe(text);
  PR_CHECK(done != nullptr && size == digest.size(), "HMAC-SHA-256");
  return digest;
}

bool KeyedDigest::equal(std::string_view a, std::string_view b) const {
  const Digest first = of({a});
  const Digest second = of({b});
  return CRYPTO_memcmp(first.data(), second.data(), first.size()) == 0;
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace postrider::auth
