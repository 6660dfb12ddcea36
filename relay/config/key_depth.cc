#include "relay/config/key_depth.h"

#include <algorithm>
#include <string>

namespace postrider::config {

namespace {

// Behind the octet at `at`, or behind both of an escape: `quote` tells whether there are such.
std::size_t step(std::string_view text, std::size_t at, char quote) {
  return at + (quote == '"' && text[at] == '\\' ? 2 : 1);
}

std::size_t end_of_line_string(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  std::size_t at = begin + 1;
  while (at < text.size() && text[at] != quote && text[at] != '\n') at = step(text, at, quote);
  return at < text.size() && text[at] == quote ? at + 1 : at;
}

std::size_t end_of_multi_line_string(std::string_view text, std::size_t begin) {
  const char quote = text[begin];
  const std::string fence(3, quote);
  std::size_t at = begin + fence.size();
  while (at < text.size() && text.substr(at, fence.size()) != fence) at = step(text, at, quote);
  at += fence.size();
  // A string may end in one or two quotes of its own.
  for (int i = 0; i < 2 && at < text.size() && text[at] == quote; ++i) ++at;
  return at;
}

// Behind the string or comment that begins at `at`.
std::size_t skip(std::string_view text, std::size_t at) {
  if (text[at] == '#') return text.find('\n', at);
  const bool many_lines = text.substr(at, 3) == std::string(3, text[at]);
  return many_lines ? end_of_multi_line_string(text, at) : end_of_line_string(text, at);
}

}  // namespace

// White space may stand around the dots of a key, so it ends none.
std::optional<unsigned> find_deep_key(std::string_view toml) {
  constexpr std::string_view kSkipped = "#\"'";
  constexpr std::string_view kEndsAKey = "\n=,[]{}";
  std::size_t dots = 0;
  for (std::size_t at = 0; at < toml.size();) {
    const char c = toml[at];
    if (kSkipped.find(c) != std::string_view::npos) {
      at = skip(toml, at);
      continue;
    }
    if (kEndsAKey.find(c) != std::string_view::npos) dots = 0;
    if (c == '.' && ++dots > kKeyDotsMax) {
      const std::string_view before = toml.substr(0, at);
      return 1 + static_cast<unsigned>(std::count(before.begin(), before.end(), '\n'));
    }
    ++at;
  }
  return std::nullopt;
}

}  // namespace postrider::config
