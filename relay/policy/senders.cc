#include "relay/policy/senders.h"

#include <algorithm>

namespace postrider::policy {

namespace {

bool matches(std::string_view pattern, const message::Address& address) {
  if (pattern == "*") return true;
  if (address.is_null()) return pattern == "<>";
  const std::size_t at = pattern.rfind('@');
  if (at != std::string_view::npos) {
    const auto named = message::parse_mailbox(pattern, true);
    return named && *named == address;
  }
  const bool below = pattern.starts_with("*.");
  const auto domain = message::normalize_domain(pattern.substr(below ? 2 : 0));
  if (!domain) return false;
  if (!below) return address.domain == *domain;
  return address.domain.size() > domain->size() + 1 && address.domain.ends_with("." + *domain);
}

}  // namespace

Result<void> check_sender_pattern(std::string_view pattern) {
  if (pattern == "*" || pattern == "<>") return {};
  const bool is_address = pattern.find('@') != std::string_view::npos;
  if (is_address) {
    if (auto parsed = message::parse_mailbox(pattern, true); !parsed) {
      return failure("'" + std::string(pattern) + "' is no address: " + parsed.error().text());
    }
    return {};
  }
  const auto domain = message::normalize_domain(pattern.substr(pattern.starts_with("*.") ? 2 : 0));
  if (domain && domain->find('*') == std::string::npos) return {};
  return failure("'" + std::string(pattern) +
                 "' is none of *, <>, a domain, *.domain and an address");
}

bool may_send_as(const std::vector<std::string>& patterns, const message::Address& address) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(pattern, address); });
}

}  // namespace postrider::policy
