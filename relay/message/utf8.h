// UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
// Thread: pure functions.
#pragma once

#include <cstddef>
#include <string_view>

namespace postrider::message {

// Octets of the well-formed sequence at the start of `text`; 0 if there is none (or no text).
std::size_t utf8_sequence(std::string_view text);

// Whether all of `text` is well-formed.
bool is_utf8(std::string_view text);

// Whether no octet of `text` is above 127.
bool is_ascii(std::string_view text);

// Whether `text` holds a control character: C0, DEL, or C1 (U+0080 to U+009F) in UTF-8.
bool has_control(std::string_view text);

}  // namespace postrider::message
