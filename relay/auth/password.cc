#include "relay/auth/password.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <crypt.h>
#include <memory>
#include <string.h>

#include "relay/base/ascii.h"

namespace postrider::auth {

namespace {

// A form of crypt(5) that is accepted: how it begins, and how many characters its digest, the part
// behind the last '$', has.
struct Form {
  std::string_view prefix;
  std::size_t digest_size;
};

// bcrypt has salt and digest in one part.
constexpr std::array<Form, 9> kForms = {{
    {"$y$", 43},    // yescrypt
    {"$gy$", 43},   // gost-yescrypt
    {"$7$", 43},    // scrypt
    {"$2b$", 53},   // bcrypt
    {"$2y$", 53},   // bcrypt, as PHP writes it
    {"$2a$", 53},   // bcrypt, older
    {"$6$", 86},    // sha512crypt
    {"$5$", 43},    // sha256crypt
    {"$sm3$", 43},  // sm3crypt
}};

constexpr const char* kSupported =
    "supported are yescrypt ($y$), scrypt ($7$), bcrypt ($2b$), sha512crypt ($6$) and sha256crypt "
    "($5$)";

// "$1$" of "$1$salt$digest": what may be shown of a hash.
std::string_view prefix_of(std::string_view hash) {
  constexpr std::size_t kPrefixMax = 8;
  if (!hash.starts_with('$')) return {};
  const std::size_t end = hash.find('$', 1);
  return end == std::string_view::npos || end >= kPrefixMax ? std::string_view()
                                                            : hash.substr(0, end + 1);
}

// crypt(3) sees a C string: "a" and "a\0b" would be one password.
bool is_usable(std::string_view password) {
  return password.size() < CRYPT_MAX_PASSPHRASE_SIZE &&
         password.find('\0') == std::string_view::npos;
}

// The hash of `password` by `setting`, "" if that cannot be made. Leaves no copy of the password.
std::string crypt_text(std::string_view password, const std::string& setting) {
  const auto data = std::make_unique<crypt_data>();
  // In the structure's own field, which is big enough for all that is_usable() lets through.
  std::copy(password.begin(), password.end(), data->input);
  const char* text =
      crypt_rn(data->input, setting.c_str(), data.get(), static_cast<int>(sizeof *data));
  std::string hash = text == nullptr ? "" : text;
  explicit_bzero(data->input, sizeof data->input);
  return hash;
}

// In a time that depends on the sizes alone.
bool equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return difference == 0;
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  if (password.empty()) return failure("cannot hash an empty password");
  if (!is_usable(password)) {
    return failure("cannot hash this password: it has a NUL, or more than " +
                   std::to_string(CRYPT_MAX_PASSPHRASE_SIZE - 1) + " octets");
  }
  // No random bytes given: libcrypt draws the salt from the system.
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
  if (crypt_gensalt_rn("$y$", 0, nullptr, 0, setting.data(), static_cast<int>(setting.size())) ==
      nullptr) {
    return failure(Error::from_errno("cannot make a salt for a password", errno));
  }
  std::string hash = crypt_text(password, setting.data());
  if (hash.empty()) return failure("cannot hash a password: libcrypt refuses yescrypt");
  return hash;
}

bool verify_password(std::string_view password, const std::string& hash) {
  if (!is_usable(password) || !check_hash(hash)) return false;
  const std::string found = crypt_text(password, hash);
  return !found.empty() && equal(found, hash);
}

Result<void> check_hash(const std::string& hash) {
  if (hash.empty()) return failure("the password hash is empty");
  const std::string prefix(prefix_of(hash));
  const auto* form = std::find_if(kForms.begin(), kForms.end(),
                                  [&](const Form& one) { return one.prefix == prefix; });
  if (form == kForms.end()) {
    return failure("password hashes " +
                   (prefix.empty() ? "without a $...$ prefix"
                                   : "that begin with " + ascii::printable(prefix)) +
                   " are not supported; " + kSupported);
  }
  if (hash.size() - hash.rfind('$') - 1 != form->digest_size ||
      crypt_checksalt(hash.c_str()) == CRYPT_SALT_INVALID || hash.find('\0') != std::string::npos) {
    return failure("the password hash that begins with " + prefix +
                   " is not whole; was it cut when it was copied?");
  }
  return {};
}

}  // namespace postrider::auth
