// Digests under a key that nobody else has: they compare secrets in constant time and remember them
// without keeping them. Private to relay/auth; the door to OpenSSL there.
// Thread: immutable after construction.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace postrider::auth {

using Digest = std::array<char, 32>;

class KeyedDigest {
 public:
  static constexpr std::size_t kKeySize = 32;

  // Empty: the key is drawn, and of this process alone. Else it has kKeySize octets.
  explicit KeyedDigest(std::string_view key = {});

  // HMAC-SHA-256 over the parts, each with its length, so that no two lists give the same bytes.
  [[nodiscard]] Digest of(std::initializer_list<std::string_view> parts) const;

  // Whether the texts are equal; the time does not tell where they differ.
  [[nodiscard]] bool equal(std::string_view a, std::string_view b) const;

 private:
  std::array<std::byte, kKeySize> key_{};
};

// Overwrites a secret that is done with, in a way no optimizer drops, and empties it.
void wipe(std::string& secret);

}  // namespace postrider::auth
