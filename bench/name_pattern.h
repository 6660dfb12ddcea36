// NamePattern: domain names as a rule or a load names them: "example.test", "*.sim.test" (every
// name below), "*" (every name), "d[1-100].test" (a range of names). Thread: values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/result.h"

namespace postrider::bench {

class NamePattern {
 public:
  // A range may name this many domains.
  static constexpr std::uint64_t kMaxRange = 1'000'000;

  enum class Kind { kExact, kBelow, kAny, kRange };

  // Case-folds. Fails on an empty name, a second '*' or range, a range that runs backwards or is
  // larger than kMaxRange, and characters that no domain name has.
  static Result<NamePattern> parse(std::string_view text);

  [[nodiscard]] Kind kind() const { return kind_; }

  // kBelow: the part behind "*.".
  [[nodiscard]] const std::string& suffix() const { return suffix_; }

  // The names of kExact and kRange; empty for the wildcards.
  [[nodiscard]] std::vector<std::string> expand() const;

  // The pattern as written, in lower case.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  NamePattern() = default;
  Result<void> parse_range(std::size_t open);

  Kind kind_ = Kind::kExact;
  std::string text_;
  std::string prefix_;  // kRange
  std::string suffix_;  // kRange and kBelow
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
};

}  // namespace postrider::bench
