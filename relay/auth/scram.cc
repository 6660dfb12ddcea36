#include "relay/auth/scram.h"

#include <algorithm>
#include <array>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <span>
#include <vector>

#include "relay/base/ascii.h"
#include "relay/base/check.h"
#include "relay/base/random.h"

namespace postrider::auth {

namespace {

constexpr std::string_view kScheme = "SCRAM-SHA-256";
constexpr std::size_t kDigestSize = 32;
constexpr std::size_t kSaltSize = 16;
// RFC 7677 section 4 asks for 4096 at least; the client pays for them at every login.
constexpr unsigned kIterations = 10'000;
constexpr unsigned kIterationsMin = 4096;
constexpr unsigned kIterationsMax = 1'000'000;

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* octets(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

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

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

// RFC 5802 section 3.
Result<std::string> make_scram_verifier(std::string_view password) {
  if (password.empty()) return failure("cannot use an empty password");
  if (!is_printable_ascii(password)) {
    return failure("SCRAM needs a password of printable ASCII characters");
  }
  std::array<std::byte, kSaltSize> random{};
  SystemRandom().fill(random);
  const std::string salt(reinterpret_cast<const char*>(random.data()), random.size());
  std::string salted(kDigestSize, '\0');
  const int done = PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                                     octets(salt), static_cast<int>(salt.size()), kIterations,
                                     EVP_sha256(), static_cast<int>(salted.size()), octets(salted));
  PR_CHECK(done == 1, "PBKDF2");
  const std::string stored_key = sha256(hmac(salted, "Client Key"));
  const std::string server_key = hmac(salted, "Server Key");
  return std::string(kScheme) + "$" + std::to_string(kIterations) + ":" +
         ascii::base64_encode(salt) + "$" + ascii::base64_encode(stored_key) + ":" +
         ascii::base64_encode(server_key);
}

Result<ScramVerifier> parse_scram_verifier(std::string_view text) {
  const auto parts = ascii::split(text, '$');
  if (parts.front() != kScheme) {
    return failure("a SCRAM verifier begins with " + std::string(kScheme) + "$");
  }
  const auto broken = failure("the SCRAM verifier is not whole; was it cut when it was copied?");
  if (parts.size() != 3) return broken;
  const auto first = ascii::split(parts[1], ':');
  const auto second = ascii::split(parts[2], ':');
  if (first.size() != 2 || second.size() != 2) return broken;
  const auto iterations = ascii::parse_u64(first[0]);
  const auto salt = ascii::base64_decode(first[1]);
  const auto stored_key = ascii::base64_decode(second[0]);
  const auto server_key = ascii::base64_decode(second[1]);
  if (!iterations || !salt || salt->empty() || !stored_key || !server_key) return broken;
  if (stored_key->size() != kDigestSize || server_key->size() != kDigestSize) return broken;
  if (*iterations < kIterationsMin || *iterations > kIterationsMax) {
    return failure("a SCRAM verifier has " + std::to_string(kIterationsMin) + " to " +
                   std::to_string(kIterationsMax) + " iterations");
  }
  return ScramVerifier{static_cast<unsigned>(*iterations), *salt, *stored_key, *server_key};
}

}  // namespace postrider::auth
