#include "bench/load/load_options.h"

#include "bench/name_pattern.h"
#include "bench/quantity.h"
#include "relay/base/ascii.h"

namespace postrider::bench {

namespace {

struct Weighted {
  std::string_view value;
  std::uint64_t weight = 1;
};

// "VALUE" or "VALUE:WEIGHT".
Result<Weighted> split_weight(std::string_view text) {
  static constexpr std::uint64_t kMaxWeight = 1'000'000;
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return Weighted{text, 1};
  const auto weight = parse_count(text.substr(colon + 1));
  if (!weight) return failure(weight.error().within("weight"));
  if (*weight == 0 || *weight > kMaxWeight) {
    return failure("a weight is between 1 and " + std::to_string(kMaxWeight));
  }
  return Weighted{text.substr(0, colon), *weight};
}

}  // namespace

Result<WeightedChoice<std::uint64_t>> parse_size_mix(std::string_view text) {
  WeightedChoice<std::uint64_t> sizes;
  for (const std::string_view part : ascii::split(text, ',')) {
    const auto weighted = split_weight(part);
    if (!weighted) return failure(weighted.error());
    const auto size = parse_size(weighted->value);
    if (!size) return failure(size.error());
    if (*size > LoadOptions::kMaxSize) return failure("a message has at most 256m");
    sizes.add({*size}, weighted->weight);
  }
  return sizes;
}

Result<WeightedChoice<std::string>> parse_domain_mix(std::string_view text) {
  WeightedChoice<std::string> domains;
  for (const std::string_view part : ascii::split(text, ',')) {
    const auto weighted = split_weight(part);
    if (!weighted) return failure(weighted.error());
    const auto pattern = NamePattern::parse(weighted->value);
    if (!pattern) return failure(pattern.error());
    auto names = pattern->expand();
    if (names.empty()) {
      return failure("'" + pattern->text() + "' names no domain that can be written to");
    }
    domains.add(std::move(names), weighted->weight);
  }
  return domains;
}

}  // namespace postrider::bench
