#include "relay/auth/scram_parts.h"

#include <array>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "relay/base/ascii.h"
#include "relay/base/check.h"
#include "relay/base/random.h"

namespace postrider::auth::scram {

namespace {

constexpr std::size_t kNonceSize = 18;  // octets, before base64
constexpr std::size_t kNonceMax = 512;
constexpr std::size_t kUserMax = 255;

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* octets(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

std::string sha256(std::string_view text) {
  std::string digest(kDigestSize, '\0');
  unsigned size = 0;
  const int done =
      EVP_Digest(text.data(), text.size(), octets(digest), &size, EVP_sha256(), nullptr);
  PR_CHECK(done == 1 && size == kDigestSize, "SHA-256");
  return digest;
}

std::string hmac(std::string_view key, std::string_view text) {
  std::string digest(kDigestSize, '\0');
  unsigned size = 0;
  const unsigned char* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   octets(text), text.size(), octets(digest), &size);
  PR_CHECK(done != nullptr && size == kDigestSize, "HMAC-SHA-256");
  return digest;
}

std::string salted(std::string_view password, std::string_view salt, unsigned iterations) {
  std::string digest(kDigestSize, '\0');
  const int done =
      PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), octets(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                        static_cast<int>(digest.size()), octets(digest));
  PR_CHECK(done == 1, "PBKDF2");
  return digest;
}

std::string fresh_nonce() {
  std::array<std::byte, kNonceSize> random{};
  SystemRandom().fill(random);
  return ascii::base64_encode({reinterpret_cast<const char*>(random.data()), random.size()});
}

bool is_nonce(std::string_view text) {
  return !text.empty() && text.size() <= kNonceMax && ascii::is_visible(text);
}

std::optional<std::string_view> take_attribute(std::string_view& text, char letter) {
  if (text.size() < 2 || text[0] != letter || text[1] != '=') return std::nullopt;
  const std::size_t comma = text.find(',');
  const std::string_view value = text.substr(2, comma - 2);
  text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  return value;
}

std::string encode_name(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == ',') {
      text += "=2C";
    } else if (c == '=') {
      text += "=3D";
    } else {
      text += c;
    }
  }
  return text;
}

std::optional<std::string> decode_name(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 0 && c < ' ') || c == 0x7f) return std::nullopt;
    if (c != '=') {
      name += c;
      continue;
    }
    const std::string_view escape = text.substr(i, 3);
    if (escape != "=2C" && escape != "=3D") return std::nullopt;
    name += escape == "=2C" ? ',' : '=';
    i += 2;
  }
  if (name.empty() || name.size() > kUserMax) return std::nullopt;
  return name;
}

}  // namespace postrider::auth::scram
