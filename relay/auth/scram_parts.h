// What both sides of SCRAM-SHA-256 (RFC 5802, RFC 7677) share: its functions and its grammar.
// Private to relay/auth. Thread: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::auth::scram {

inline constexpr std::size_t kDigestSize = 32;
// RFC 7677 section 4 asks for 4096 at least; the client pays for them.
inline constexpr unsigned kIterationsMin = 4096;
inline constexpr unsigned kIterationsMax = 1'000'000;

std::string sha256(std::string_view text);
std::string hmac(std::string_view key, std::string_view text);
// Hi() of RFC 5802: takes milliseconds, never on a loop.
std::string salted(std::string_view password, std::string_view salt, unsigned iterations);

// Of printable characters without a comma, and nobody else's.
std::string fresh_nonce();
bool is_nonce(std::string_view text);

// The value of "k=value" up to the next comma, taken off the front of `text`; nullopt: another
// letter stands there.
std::optional<std::string_view> take_attribute(std::string_view& text, char letter);

// RFC 5802 section 5.1: "=2C" is a comma and "=3D" an equals sign.
std::string encode_name(std::string_view name);
std::optional<std::string> decode_name(std::string_view text);

}  // namespace postrider::auth::scram
