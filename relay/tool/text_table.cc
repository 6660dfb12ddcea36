#include "relay/tool/text_table.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "relay/base/check.h"

namespace postrider::tool {

namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

std::string with_commas(std::uint64_t count) {
  std::string digits = fmt::format("{}", count);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

}  // namespace

std::string format_age(std::int64_t seconds) {
  const std::int64_t s = std::max<std::int64_t>(seconds, 0);
  if (s < kMinute) return fmt::format("{}s", s);
  if (s < kHour) return fmt::format("{}m{:02}s", s / kMinute, s % kMinute);
  if (s < kDay) return fmt::format("{}h{:02}m", s / kHour, s % kHour / kMinute);
  return fmt::format("{}d{:02}h", s / kDay, s % kDay / kHour);
}

std::string format_until(std::int64_t seconds) {
  if (seconds <= 0) return "now";
  if (seconds < kMinute) return fmt::format("in {}s", seconds);
  if (seconds < kHour) return fmt::format("in {}m", seconds / kMinute);
  if (seconds < kDay) return fmt::format("in {}h", seconds / kHour);
  return fmt::format("in {}d", seconds / kDay);
}

std::string format_octets(std::uint64_t octets) {
  static constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (octets < 1024) return fmt::format("{} B", octets);
  double value = static_cast<double>(octets) / 1024;
  std::size_t unit = 0;
  // 1023.95 would be shown as 1024.0.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string format_count(std::uint64_t count, const std::string& noun) {
  if (count == 1) return "1 " + noun;
  const bool ends_in_y = noun.ends_with('y');
  const std::string plural = ends_in_y ? noun.substr(0, noun.size() - 1) + "ies" : noun + "s";
  return with_commas(count) + " " + plural;
}

TextTable::TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (const Column& column : columns_) widths_.push_back(column.title.size());
}

void TextTable::add(std::vector<std::string> cells) {
  PR_CHECK(cells.size() == columns_.size());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    widths_[i] = std::max(widths_[i], cells[i].size());
  }
  rows_.push_back(std::move(cells));
}

std::string TextTable::to_string() const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::string out;
  const auto write = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) line += "  ";
      const std::string padding(widths_[i] - cells[i].size(), ' ');
      line += columns_[i].align == Align::kRight ? padding + cells[i] : cells[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  write(titles);
  for (const auto& row : rows_) write(row);
  return out;
}

}  // namespace postrider::tool
