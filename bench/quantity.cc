#include "bench/quantity.h"

#include <cmath>
#include <string>

#include "relay/base/ascii.h"

namespace postrider::bench {

namespace {

// The number in front of a unit; what is behind the digits stays in `unit`.
Result<std::uint64_t> leading_number(std::string_view text, std::string_view& unit,
                                     std::string_view wanted) {
  std::size_t digits = 0;
  while (digits < text.size() && ascii::is_digit(text[digits])) ++digits;
  const auto number = ascii::parse_u64(text.substr(0, digits));
  if (!number) {
    return failure("'" + ascii::printable(text) + "' is not " + std::string(wanted));
  }
  unit = text.substr(digits);
  return *number;
}

Result<std::uint64_t> scaled(std::uint64_t number, std::uint64_t factor, std::string_view text) {
  if (number > UINT64_MAX / 2 / factor) {
    return failure("'" + ascii::printable(text) + "' is too large");
  }
  return number * factor;
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::string_view kWanted = "a size such as 4096, 4k or 1m";
  std::string_view unit;
  auto number = leading_number(text, unit, kWanted);
  if (!number) return number;
  if (unit.empty()) return scaled(*number, 1, text);
  if (ascii::iequals(unit, "k")) return scaled(*number, 1024, text);
  if (ascii::iequals(unit, "m")) return scaled(*number, 1024 * 1024, text);
  if (ascii::iequals(unit, "g")) return scaled(*number, 1024ULL * 1024 * 1024, text);
  return failure("'" + ascii::printable(text) + "' is not " + std::string(kWanted));
}

Result<Milliseconds> parse_duration(std::string_view text) {
  static constexpr std::string_view kWanted = "a duration such as 100ms, 5s or 2m";
  std::string_view unit;
  const auto number = leading_number(text, unit, kWanted);
  if (!number) return failure(number.error());
  std::uint64_t factor = 0;
  if (unit == "ms") factor = 1;
  if (unit == "s") factor = 1000;
  if (unit == "m") factor = 60 * 1000;
  if (unit == "h") factor = 60 * 60 * 1000;
  if (factor == 0) {
    return failure("'" + ascii::printable(text) + "' is not " + std::string(kWanted));
  }
  // Beyond a year a deadline computed from it would mean nothing here.
  const auto value = scaled(*number, factor, text);
  if (!value) return failure(value.error());
  if (*value > 366ULL * 24 * 3600 * 1000) {
    return failure("'" + ascii::printable(text) + "' is longer than a year");
  }
  return Milliseconds(static_cast<Milliseconds::rep>(*value));
}

Result<std::uint64_t> parse_count(std::string_view text) {
  const auto number = ascii::parse_u64(text);
  if (!number) return failure("'" + ascii::printable(text) + "' is not a whole number");
  return *number;
}

Result<double> parse_share(std::string_view text) {
  const std::size_t dot = text.find('.');
  const std::string_view fraction = dot == text.npos ? "" : text.substr(dot + 1);
  const auto whole = ascii::parse_u64(text.substr(0, dot));
  const auto parts =
      fraction.empty() ? std::optional<std::uint64_t>(0) : ascii::parse_u64(fraction);
  if (!whole || !parts || (dot != text.npos && fraction.empty()) || fraction.size() > 9) {
    return failure("'" + ascii::printable(text) + "' is not a share such as 0.2");
  }
  const double value =
      static_cast<double>(*whole) + static_cast<double>(*parts) / std::pow(10.0, fraction.size());
  if (value > 1.0) return failure("'" + ascii::printable(text) + "' is more than 1");
  return value;
}

}  // namespace postrider::bench
