#include "bench/name_pattern.h"

#include "relay/base/ascii.h"

namespace postrider::bench {

namespace {

bool is_name_text(std::string_view text) {
  for (const char c : text) {
    if (!ascii::is_alpha(c) && !ascii::is_digit(c) && c != '-' && c != '.' && c != '_')
      return false;
  }
  return true;
}

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > 253 || !is_name_text(text)) return false;
  for (const std::string_view label : ascii::split(text, '.')) {
    if (label.empty() || label.size() > 63) return false;
  }
  return true;
}

}  // namespace

Result<NamePattern> NamePattern::parse(std::string_view text) {
  NamePattern pattern;
  pattern.text_ = ascii::lower(text);
  const std::string& name = pattern.text_;
  if (name == "*") {
    pattern.kind_ = Kind::kAny;
    return pattern;
  }
  if (name.starts_with("*.")) {
    pattern.kind_ = Kind::kBelow;
    pattern.suffix_ = name.substr(2);
    if (is_domain(pattern.suffix_)) return pattern;
  } else if (const std::size_t open = name.find('['); open != name.npos) {
    if (auto ranged = pattern.parse_range(open); !ranged) return failure(ranged.error());
    return pattern;
  } else if (is_domain(name)) {
    return pattern;
  }
  return failure("'" + ascii::printable(text) + "' is not a domain name or pattern");
}

Result<void> NamePattern::parse_range(std::size_t open) {
  kind_ = Kind::kRange;
  const std::size_t close = text_.find(']', open);
  const std::string range = close == text_.npos ? "" : text_.substr(open + 1, close - open - 1);
  const std::size_t dash = range.find('-');
  const auto first = ascii::parse_u64(range.substr(0, dash));
  const auto last = dash == range.npos ? first : ascii::parse_u64(range.substr(dash + 1));
  if (!first || !last) {
    return failure("'" + ascii::printable(text_) + "' has no range such as [1-100]");
  }
  if (*last < *first || *last - *first >= kMaxRange) {
    return failure("'" + ascii::printable(text_) + "' has a range that is backwards or over " +
                   std::to_string(kMaxRange) + " names");
  }
  prefix_ = text_.substr(0, open);
  suffix_ = text_.substr(close + 1);
  first_ = *first;
  last_ = *last;
  if (!is_domain(prefix_ + std::to_string(last_) + suffix_)) {
    return failure("'" + ascii::printable(text_) + "' does not make domain names");
  }
  return {};
}

std::vector<std::string> NamePattern::expand() const {
  std::vector<std::string> names;
  if (kind_ == Kind::kExact) names.push_back(text_);
  if (kind_ != Kind::kRange) return names;
  names.reserve(last_ - first_ + 1);
  for (std::uint64_t n = first_; n <= last_; ++n) {
    names.push_back(prefix_ + std::to_string(n) + suffix_);
  }
  return names;
}

}  // namespace postrider::bench
