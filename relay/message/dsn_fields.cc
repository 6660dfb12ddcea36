#include "relay/message/dsn_fields.h"

#include <algorithm>

#include "relay/base/ascii.h"
#include "relay/message/dsn_lines.h"
#include "relay/message/utf8.h"
#include "relay/message/xtext.h"

namespace postrider::message {

namespace {

// Octets. An ORCPT is at most 500 (RFC 3461 section 4.2), an ENVID 100 (section 4.4); an address
// stays below 400 with the lengths of RFC 5321 section 4.5.3.1.
constexpr std::size_t kValueMax = 500;
constexpr std::size_t kHostMax = 255;

std::string_view name_of(DsnAction action) {
  switch (action) {
    case DsnAction::kFailed:
      return "failed";
    case DsnAction::kDelayed:
      return "delayed";
    case DsnAction::kDelivered:
      return "delivered";
    case DsnAction::kRelayed:
      return "relayed";
  }
  return "failed";
}

// RFC 3464 section 2.3.2; the utf-8 type is RFC 6533 section 3.
std::string final_recipient(const Address& address, bool global) {
  const std::string text = address.to_string();
  return (is_ascii(text) ? "rfc822; " : "utf-8; ") + clean_text(text, kValueMax, global);
}

// RFC 3464 section 2.3.1: "type; address" from an ORCPT, its xtext undone; "" where it is none. A
// utf-8 address may keep its \x{...}, which both forms of report allow.
std::string original_recipient(std::string_view orcpt, bool global) {
  const std::size_t semicolon = orcpt.find(';');
  if (semicolon == 0 || semicolon == std::string_view::npos) return "";
  const auto address = decode_xtext(orcpt.substr(semicolon + 1));
  if (!address || address->empty()) return "";
  const std::string_view type = orcpt.substr(0, semicolon);
  const bool utf8 = global && ascii::iequals(type, "utf-8");
  return clean_text(type, kValueMax, false) + "; " + clean_text(*address, kValueMax, utf8);
}

// RFC 3464 section 2.3.6: "smtp" is for what a peer said; our own verdict has a type of its own.
std::string diagnostic(const DsnRecipient& recipient) {
  const bool peer = !recipient.remote_mta.empty() && recipient.status.code != 0;
  return (peer ? "smtp; " : "X-Postrider; ") + recipient.status.to_line();
}

void append_message_group(std::string& out, const DsnFacts& facts) {
  if (!facts.envelope.envelope_id.empty()) {
    if (const auto id = decode_xtext(facts.envelope.envelope_id)) {
      append_field(out, "Original-Envelope-Id", clean_text(*id, kValueMax, false));
    }
  }
  append_field(out, "Reporting-MTA", "dns; " + clean_text(facts.reporting_mta, kHostMax, false));
  append_field(out, "X-Postrider-Queue-Id", clean_text(facts.message_id, kHostMax, false));
  append_field(out, "Arrival-Date", to_rfc5322(facts.arrived));
  // RFC 4865 section 5.1.2.
  if (!facts.envelope.release_request.empty()) {
    append_field(out, "Future-Release-Request",
                 clean_text(facts.envelope.release_request, kValueMax, false));
  }
}

// The order is that of the grammar in RFC 3464 section 2.3.
void append_recipient_group(std::string& out, const DsnRecipient& recipient, WallTime now,
                            bool global) {
  const std::string original = original_recipient(recipient.recipient.original, global);
  if (!original.empty()) append_field(out, "Original-Recipient", original);
  append_field(out, "Final-Recipient", final_recipient(recipient.recipient.address, global));
  append_field(out, "Action", name_of(recipient.action));
  append_field(out, "Status", reported_status(recipient).to_string());
  if (!recipient.remote_mta.empty()) {
    append_field(out, "Remote-MTA", "dns; " + clean_text(recipient.remote_mta, kHostMax, false));
  }
  if (!recipient.status.to_line().empty()) {
    append_field(out, "Diagnostic-Code", diagnostic(recipient));
  }
  append_field(out, "Last-Attempt-Date", to_rfc5322(recipient.last_attempt.value_or(now)));
  if (recipient.action == DsnAction::kDelayed && recipient.will_retry_until) {
    append_field(out, "Will-Retry-Until", to_rfc5322(*recipient.will_retry_until));
  }
}

}  // namespace

bool is_global(const DsnFacts& facts) {
  return facts.envelope.smtputf8 || !is_ascii(facts.envelope.sender.to_string()) ||
         std::any_of(facts.recipients.begin(), facts.recipients.end(), [](const auto& recipient) {
           return !is_ascii(recipient.recipient.address.to_string());
         });
}

EnhancedCode reported_status(const DsnRecipient& recipient) {
  const Status& status = recipient.status;
  if (status.enhanced.present()) return status.enhanced;
  if (status.is_permanent()) return {5, 0, 0};
  if (status.is_transient()) return {4, 0, 0};
  if (status.is_positive()) return {2, 0, 0};
  switch (recipient.action) {
    case DsnAction::kFailed:
      return {5, 0, 0};
    case DsnAction::kDelayed:
      return {4, 0, 0};
    default:
      return {2, 0, 0};
  }
}

std::string status_fields(const DsnFacts& facts) {
  std::string out;
  const bool global = is_global(facts);
  append_message_group(out, facts);
  for (const DsnRecipient& recipient : facts.recipients) {
    out += "\r\n";
    append_recipient_group(out, recipient, facts.now, global);
  }
  return out;
}

}  // namespace postrider::message
