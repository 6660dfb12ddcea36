#include "relay/message/address.h"

#include "relay/base/ascii.h"
#include "relay/message/utf8.h"

namespace postrider::message {

namespace {

constexpr std::string_view kPostmaster = "postmaster";

// RFC 5322 section 3.2.3; RFC 6531 section 3.3 adds all non-ASCII (admitted before this is asked).
bool is_atext(char c) {
  constexpr std::string_view kSpecials = "!#$%&'*+-/=?^_`{|}~";
  return ascii::is_alpha(c) || ascii::is_digit(c) || static_cast<unsigned char>(c) >= 0x80 ||
         kSpecials.find(c) != std::string_view::npos;
}

// A local part from the front of a mailbox: how long it is, or what is wrong with it.
struct LocalPart {
  std::size_t length = 0;
  std::string_view defect;
};

// Quoted-string of RFC 5321 section 4.1.2. Control characters were refused before, so that every
// other character may stand here; RFC 6531 keeps the quoted pair to ASCII.
LocalPart scan_quoted(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return {i + 1, ""};
    if (text[i] != '\\') continue;
    ++i;
    if (i < text.size() && static_cast<unsigned char>(text[i]) >= 0x80) {
      return {0, "local part has a backslash before a non-ASCII character"};
    }
  }
  return {0, "quoted local part has no closing quote"};
}

// Dot-string of RFC 5321 section 4.1.2.
LocalPart scan_dot_string(std::string_view text) {
  std::size_t i = 0;
  for (; i < text.size() && text[i] != '@'; ++i) {
    if (text[i] == '.') {
      if (i == 0 || text[i - 1] == '.') return {0, "local part has a dot in the wrong place"};
    } else if (!is_atext(text[i])) {
      return {0, "local part holds a character that must be quoted"};
    }
  }
  if (i == 0) return {0, "local part is empty"};
  if (text[i - 1] == '.') return {0, "local part has a dot in the wrong place"};
  return {i, ""};
}

LocalPart scan_local(std::string_view text) {
  LocalPart local = text.starts_with('"') ? scan_quoted(text) : scan_dot_string(text);
  if (local.defect.empty() && local.length > kLocalPartMax) {
    local.defect = "local part is longer than 64 octets";
  }
  return local;
}

// The normal form of what stands after the "@".
Result<std::string> parse_domain(std::string_view text) {
  if (text.starts_with('[')) {
    const auto ip = parse_address_literal(text);
    if (!ip) return failure("address literal is not a valid IPv4 or IPv6 address");
    return (ip->is_v4() ? "[" : "[IPv6:") + ip->to_string() + "]";
  }
  // normalize_domain drops it, as configuration wants; an address has none (RFC 5321 section
  // 4.1.2).
  if (text.ends_with('.')) return failure("domain ends with a dot");
  return normalize_domain(text);
}

}  // namespace

std::string Address::to_string() const {
  if (domain.empty()) return local;
  return local + '@' + domain;
}

Result<Address> parse_mailbox(std::string_view text, bool utf8) {
  if (text.empty()) return failure("address is empty");
  if (has_control(text)) return failure("address holds a control character");
  if (!is_ascii(text)) {
    if (!utf8) return failure("address is not ASCII, and SMTPUTF8 was not asked for");
    if (!is_utf8(text)) return failure("address is not well-formed UTF-8");
  }
  if (ascii::iequals(text, kPostmaster)) return Address{std::string(kPostmaster), ""};

  const LocalPart local = scan_local(text);
  if (!local.defect.empty()) return failure(std::string(local.defect));
  if (local.length == text.size()) return failure("address has no domain");
  if (text[local.length] != '@') return failure("quoted local part is not followed by @");
  auto domain = parse_domain(text.substr(local.length + 1));
  if (!domain) return failure(domain.error());
  return Address{std::string(text.substr(0, local.length)), std::move(*domain)};
}

}  // namespace postrider::message
