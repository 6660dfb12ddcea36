#include "tests/dialogs/transcript.h"

#include <cctype>
#include <cstdlib>
#include <fstream>

#include "relay/base/ascii.h"

namespace postrider::dialogs {

namespace {

struct Prefix {
  std::string_view mark;
  LineKind kind;
};

constexpr Prefix kPrefixes[] = {
    {"C:", LineKind::kClient},    {"C<", LineKind::kClientRaw}, {"S:", LineKind::kServer},
    {"S<", LineKind::kServerRaw}, {"M:", LineKind::kMessage},   {"R:", LineKind::kResult},
    {"|", LineKind::kText},
};

// What follows a mark and the one space behind it.
std::string after_mark(std::string_view line, std::size_t mark) {
  line.remove_prefix(mark);
  if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return std::string(line);
}

bool is_setting(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  for (const char c : line.substr(0, colon)) {
    if (std::islower(static_cast<unsigned char>(c)) == 0) return false;
  }
  return true;
}

Line read_line(std::string_view line, int number) {
  for (const Prefix& prefix : kPrefixes) {
    if (line.substr(0, prefix.mark.size()) == prefix.mark) {
      return {number, prefix.kind, after_mark(line, prefix.mark.size())};
    }
  }
  return {number, LineKind::kDirective, std::string(ascii::trim(line))};
}

// "\{3:ab}" becomes "ababab".
std::string expand_repeats(std::string_view text) {
  std::string out;
  for (;;) {
    const std::size_t begin = text.find("\\{");
    const std::size_t colon = text.find(':', begin);
    const std::size_t end = text.find('}', begin);
    if (begin == std::string_view::npos || end == std::string_view::npos || colon > end) break;
    out += text.substr(0, begin);
    const auto count = ascii::parse_u64(text.substr(begin + 2, colon - begin - 2)).value_or(0);
    for (std::uint64_t i = 0; i < count; ++i) out += text.substr(colon + 1, end - colon - 1);
    text.remove_prefix(end + 1);
  }
  return out += text;
}

}  // namespace

std::string Exchange::setting(const std::string& name, const std::string& fallback) const {
  const auto end = settings.upper_bound(name);
  if (end == settings.lower_bound(name)) return fallback;
  return std::prev(end)->second;
}

Result<std::vector<Exchange>> read_transcript(const std::string& path) {
  std::ifstream in(path);
  if (!in) return failure("cannot read " + path);
  Exchange head;
  head.file = path;
  std::vector<Exchange> exchanges;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    if (line.substr(0, 3) == "== ") {
      exchanges.push_back(head);
      exchanges.back().title = line.substr(3);
      continue;
    }
    Exchange& exchange = exchanges.empty() ? head : exchanges.back();
    if (is_setting(line)) {
      const std::size_t colon = line.find(':');
      exchange.settings.emplace(line.substr(0, colon), ascii::trim(line.substr(colon + 1)));
    } else if (exchanges.empty()) {
      return failure(path + ":" + std::to_string(number) + ": a dialog begins with '== title'");
    } else {
      exchange.lines.push_back(read_line(line, number));
    }
  }
  if (exchanges.empty()) return failure(path + ": no dialog in it");
  return exchanges;
}

std::string unescape(std::string_view text) {
  const std::string repeated = expand_repeats(text);
  std::string out;
  for (std::size_t at = 0; at < repeated.size(); ++at) {
    if (repeated[at] != '\\' || at + 1 == repeated.size()) {
      out += repeated[at];
      continue;
    }
    const char c = repeated[++at];
    if (c == 'x') {
      out += static_cast<char>(std::strtol(repeated.substr(at + 1, 2).c_str(), nullptr, 16));
      at += 2;
    } else {
      out += c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
    }
  }
  return out;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::optional<std::vector<std::string>> take_lines(std::string& bytes) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = bytes.find("\r\n", begin);
    const std::string line = bytes.substr(begin, end == std::string::npos ? end : end - begin);
    if (end != std::string::npos && line.find_first_of("\r\n") != std::string::npos) {
      return std::nullopt;
    }
    if (end == std::string::npos) break;
    lines.push_back(line);
    begin = end + 2;
  }
  bytes.erase(0, begin);
  return lines;
}

}  // namespace postrider::dialogs
