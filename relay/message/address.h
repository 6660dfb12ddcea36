// Mailbox addresses and domain names, as RFC 5321 section 4.1.2 writes them on the wire.
// Thread: values and pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "relay/base/ip.h"
#include "relay/base/result.h"

namespace postrider::message {

// A mailbox: `local` as the client wrote it (quotes and all, case kept), `domain` in normal form
// (lower case, A-labels, no trailing dot) or an address literal with its brackets. Both empty: the
// null sender. Domain empty, local "postmaster": the one bare name of RFC 5321 section 4.5.1.
struct Address {
  std::string local;
  std::string domain;

  [[nodiscard]] bool is_null() const { return local.empty() && domain.empty(); }

  // "local@domain", or "" for the null sender. No angle brackets.
  [[nodiscard]] std::string to_string() const;

  bool operator==(const Address&) const = default;
};

// Octets; RFC 5321 section 4.5.3.1.
inline constexpr std::size_t kLocalPartMax = 64;
inline constexpr std::size_t kDomainMax = 255;

// A mailbox without angle brackets or source route: Local-part "@" (Domain / address-literal), or
// the bare word "postmaster" in any case, which comes out in lower case with an empty domain. A dot
// behind the domain is refused, unlike in normalize_domain. An address literal comes out in the
// normal form of its address ("[IPv6:2001:db8::1]"; an IPv4-mapped one as IPv4).
// Non-ASCII (RFC 6531) only if `utf8`, and then only well-formed UTF-8. The error says what is
// wrong, in words fit for a 501 or 553 reply. Control characters, CR, LF and NUL are refused
// everywhere, in quoted strings too. `%`, `!` in a local part are ordinary characters: this relay
// gives them no meaning.
Result<Address> parse_mailbox(std::string_view text, bool utf8);

// A host name in normal form: lower case, IDN labels as A-labels (IDNA2008, UTS 46
// non-transitional, by libidn2), at most 255 octets, labels 1..63. One trailing dot is dropped.
// Underscores are accepted: they occur in real DNS names.
Result<std::string> normalize_domain(std::string_view text);

// The address inside "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3).
std::optional<IpAddress> parse_address_literal(std::string_view text);

}  // namespace postrider::message
