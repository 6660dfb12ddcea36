// Envelope: who sent a message, who shall have it, and what was asked for (RFC 5321 section 2.3.1,
// RFC 3461, RFC 4865, RFC 6710). Thread: values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/clock.h"
#include "relay/message/address.h"

namespace postrider::message {

// NOTIFY of RFC 3461 section 4.1 as bits. 0: the parameter was not given (failures, and delays if
// we like, are reported).
enum NotifyBits : std::uint8_t {
  kNotifyNever = 1,
  kNotifySuccess = 2,
  kNotifyFailure = 4,
  kNotifyDelay = 8,
};

enum class ReturnContent : std::uint8_t { kUnspecified, kFull, kHeaders };  // RET

struct Recipient {
  Address address;
  std::uint8_t notify = 0;
  // ORCPT as given, still in xtext: "rfc822;a+2Bb@example.org". Empty: not given.
  std::string original;

  // Whether a permanent failure of this recipient is to be reported to the sender.
  [[nodiscard]] bool wants_failure_report() const {
    return notify == 0 || (notify & kNotifyFailure) != 0;
  }

  bool operator==(const Recipient&) const = default;
};

// Octets of a tenant and of a campaign.
inline constexpr std::size_t kLabelMax = 64;

// Whether `text` can be a tenant or a campaign: visible ASCII without spaces, not too long.
inline bool is_label(std::string_view text) {
  const auto visible = [](char c) { return c > ' ' && c <= '~'; };
  return !text.empty() && text.size() <= kLabelMax &&
         std::all_of(text.begin(), text.end(), visible);
}

// Fields that a message told us about itself for the journal; at most so many, and octets
// of each.
inline constexpr std::size_t kMetadataMax = 16;
inline constexpr std::size_t kMetadataNameMax = 64;
inline constexpr std::size_t kMetadataValueMax = 256;

struct Metadata {
  std::string name;   // of the header field, in lower case
  std::string value;  // printable UTF-8

  bool operator==(const Metadata&) const = default;
};

// What is one per message; the recipients stand beside it.
struct Envelope {
  Address sender;          // null: a notification, never answered by one
  bool eight_bit = false;  // BODY=8BITMIME
  bool smtputf8 = false;
  ReturnContent return_content = ReturnContent::kUnspecified;
  std::string envelope_id;  // ENVID, still in xtext
  std::string tenant;       // at most 64 octets
  std::string campaign;     // at most 64 octets
  std::string user;         // who submitted it: an account name, or "" on a trusted listener
  std::vector<Metadata> metadata;
  // HOLDFOR or HOLDUNTIL: when the message may leave at the earliest (the default: at once), and
  // what was asked for, in the words of a report: "for;600" or "until;2026-11-21T22:15:03Z".
  WallTime release;
  std::string release_request;
  int priority = 0;  // MT-PRIORITY: -9 to 9

  bool operator==(const Envelope&) const = default;
};

}  // namespace postrider::message
