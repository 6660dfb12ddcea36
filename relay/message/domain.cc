// Domain names and address literals; the only file that knows libidn2.
#include <algorithm>
#include <memory>

#include <idn2.h>

#include "relay/base/ascii.h"
#include "relay/message/address.h"
#include "relay/message/utf8.h"

namespace postrider::message {

namespace {

constexpr std::size_t kDnsLabelMax = 63;  // RFC 1035 section 2.3.4
// Longer text cannot become a name of kDomainMax octets; libidn2 is not asked about it.
constexpr std::size_t kDomainTextMax = 4 * kDomainMax;
constexpr std::string_view kIpv6Tag = "IPv6:";

bool is_alphanumeric(char c) {
  return ascii::is_alpha(c) || ascii::is_digit(c);
}

// What is wrong with an ASCII label, or "".
std::string_view label_defect(std::string_view label) {
  if (label.empty()) return "domain has an empty label";
  if (label.size() > kDnsLabelMax) return "domain has a label of more than 63 octets";
  if (label.front() == '-' || label.back() == '-') {
    return "domain has a label that begins or ends with a hyphen";
  }
  const bool good = std::all_of(label.begin(), label.end(),
                                [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; });
  return good ? "" : "domain holds a character that is not allowed in a host name";
}

Result<std::string> normalize_ascii(std::string_view text) {
  if (text.size() > kDomainMax) return failure("domain is longer than 255 octets");
  for (const std::string_view label : ascii::split(text, '.')) {
    const std::string_view defect = label_defect(label);
    if (!defect.empty()) return failure(std::string(defect));
  }
  return ascii::lower(text);
}

Result<std::string> to_a_labels(std::string_view text) {
  if (!is_utf8(text)) return failure("domain is not well-formed UTF-8");
  const std::string terminated(text);
  unsigned char* raw = nullptr;
  const int code = idn2_lookup_u8(reinterpret_cast<const unsigned char*>(terminated.c_str()), &raw,
                                  IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  const std::unique_ptr<unsigned char, void (*)(void*)> owned(raw, &idn2_free);
  if (code != IDN2_OK) {
    return failure(std::string("domain is not a valid internationalized name: ") +
                   idn2_strerror(code));
  }
  return std::string(reinterpret_cast<const char*>(owned.get()));
}

}  // namespace

Result<std::string> normalize_domain(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty()) return failure("domain is empty");
  if (text.size() > kDomainTextMax) return failure("domain is longer than 255 octets");
  if (has_control(text)) return failure("domain holds a control character");
  // A-labels are taken as they are: names that IDNA2008 would not allow any more exist in the DNS.
  if (is_ascii(text)) return normalize_ascii(text);
  auto converted = to_a_labels(text);
  if (!converted) return converted;
  // UTS 46 maps some characters to ASCII ones (full-width forms): what came out is checked again.
  return normalize_ascii(*converted);
}

std::optional<IpAddress> parse_address_literal(std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return std::nullopt;
  std::string_view inside = text.substr(1, text.size() - 2);
  const bool tagged = ascii::istarts_with(inside, kIpv6Tag);
  if (tagged) inside.remove_prefix(kIpv6Tag.size());
  // Each form takes its own kind only: an IPv6 address has a colon, an IPv4 address has none.
  if (tagged != (inside.find(':') != std::string_view::npos)) return std::nullopt;
  return IpAddress::parse(inside);
}

}  // namespace postrider::message
