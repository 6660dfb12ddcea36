// xtext, the encoding of ENVID and ORCPT (RFC 3461 section 4). Thread: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace postrider::message {

// The octets meant; nullopt where a "+" is not followed by two upper-case hexadecimal digits, or an
// octet stands that xtext does not hold ("=", space, control characters). Octets above 127 pass:
// RFC 6533 section 3 allows them in a utf-8 address. What comes out may be any octet.
std::optional<std::string> decode_xtext(std::string_view text);

}  // namespace postrider::message
