// Key depth: finds dotted keys that are too deep before the text is parsed. The library makes a
// table inside a table of every part of "a.b.c" and bounds only the nesting of values; some ten
// thousand parts exhaust the stack when the tables are freed. Private to config. Thread: pure
// functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace postrider::config {

// Dots of one key. Ours have one at most ("server.user"); what is deeper is still named as an
// unknown key.
inline constexpr std::size_t kKeyDotsMax = 16;

// The line of the first key with more dots, counted from 1; nullopt: there is none. Strings and
// comments may hold any number. Of text that is no TOML: of what stands before the mistake.
std::optional<unsigned> find_deep_key(std::string_view toml);

}  // namespace postrider::config
