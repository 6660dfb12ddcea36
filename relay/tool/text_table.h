// Text for people: numbers with units, times relative to now, aligned columns. Thread: values and
// pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace postrider::tool {

// "42s", "3m12s", "2h05m", "4d03h"; never below "0s".
std::string format_age(std::int64_t seconds);
// "in 2m", "in 3h", or "now" at and after that time.
std::string format_until(std::int64_t seconds);
// "812 B", "4.1 KiB", "1.0 GiB".
std::string format_octets(std::uint64_t octets);
// "1 message", "2,340 messages".
std::string format_count(std::uint64_t count, const std::string& noun);

// Columns as wide as their widest cell; the last one is never padded.
class TextTable {
 public:
  enum class Align { kLeft, kRight };

  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit TextTable(std::vector<Column> columns);

  // One cell a column, printable ASCII.
  void add(std::vector<std::string> cells);
  // Header and rows, a line each.
  [[nodiscard]] std::string to_string() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace postrider::tool
