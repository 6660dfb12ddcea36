#include "relay/policy/asked_wait.h"

#include <algorithm>
#include <array>
#include <vector>

#include "relay/base/ascii.h"

namespace postrider::policy {

namespace {

constexpr Seconds kMost = std::chrono::days(1);
constexpr std::array<std::string_view, 4> kBefore = {"in", "after", "for", "within"};

struct Unit {
  std::string_view name;
  Seconds length;
};

constexpr std::array kUnits = {
    Unit{"s", Seconds(1)},      Unit{"sec", Seconds(1)},     Unit{"secs", Seconds(1)},
    Unit{"second", Seconds(1)}, Unit{"seconds", Seconds(1)}, Unit{"min", Seconds(60)},
    Unit{"mins", Seconds(60)},  Unit{"minute", Seconds(60)}, Unit{"minutes", Seconds(60)},
    Unit{"h", Seconds(3600)},   Unit{"hour", Seconds(3600)}, Unit{"hours", Seconds(3600)}};

bool is_between_words(char c) {
  return !ascii::is_alpha(c) && !ascii::is_digit(c);
}

// Runs of letters and runs of digits: "in 300s." is in, 300, s.
std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < text.size();) {
    if (is_between_words(text[at])) {
      ++at;
      continue;
    }
    const bool digits = ascii::is_digit(text[at]);
    std::size_t end = at;
    while (end < text.size() && !is_between_words(text[end]) &&
           ascii::is_digit(text[end]) == digits) {
      ++end;
    }
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

template <class Table, class Fits>
auto find_in(const Table& table, const Fits& fits) {
  const auto found = std::find_if(table.begin(), table.end(), fits);
  return found == table.end() ? nullptr : &*found;
}

}  // namespace

std::optional<Seconds> asked_wait(std::string_view text) {
  const std::vector<std::string_view> words = words_of(text);
  for (std::size_t i = 0; i + 2 < words.size(); ++i) {
    const auto is = [&words, i](std::size_t offset, std::string_view name) {
      return ascii::iequals(words[i + offset], name);
    };
    if (!find_in(kBefore, [&](std::string_view one) { return is(0, one); })) continue;
    const auto count = ascii::parse_u64(words[i + 1]);
    const Unit* unit = find_in(kUnits, [&](const Unit& one) { return is(2, one.name); });
    if (!count || unit == nullptr) continue;
    if (*count == 0 || *count > static_cast<std::uint64_t>(kMost / unit->length)) continue;
    return unit->length * static_cast<Seconds::rep>(*count);
  }
  return std::nullopt;
}

}  // namespace postrider::policy
