#include "relay/message/dsn.h"

#include <algorithm>

#include "relay/base/check.h"
#include "relay/message/dsn_fields.h"
#include "relay/message/dsn_lines.h"
#include "relay/message/dsn_text.h"
#include "relay/message/headers.h"
#include "relay/message/utf8.h"

namespace postrider::message {

namespace {

constexpr std::size_t kHeadersMax = 32'768;  // octets of a returned header section
constexpr std::size_t kTokenLength = 24;     // 124 bits of [0-9a-z]
constexpr std::size_t kAddressMax = 400;     // octets, in a header field

// A part of the multipart: its media type with parameters, a word for people, its text.
struct Part {
  std::string type;
  std::string_view description;
  std::string text;
};

// RET=FULL asks for the message only where something failed; other reports carry the header section
// (RFC 3461 section 4.3). A text that this relay may not send as it stands (lines too long) cannot
// be rewritten inside of message/rfc822 and is not returned whole either.
bool returns_whole(const DsnFacts& facts, const Body& original, std::size_t full_max) {
  return facts.envelope.return_content == ReturnContent::kFull && original.size() <= full_max &&
         std::any_of(facts.recipients.begin(), facts.recipients.end(),
                     [](const auto& one) { return one.action == DsnAction::kFailed; });
}

// The third part. Its type follows its text: RFC 6533 section 6 lets an internationalized report
// return what is pure ASCII in the older form, which more readers understand.
Part returned_part(const DsnFacts& facts, const Body& original, std::size_t full_max) {
  if (returns_whole(facts, original, full_max)) {
    std::string text = original.to_string();
    if (has_wire_lines(text)) {
      const bool global = is_global(facts) && !is_ascii(text);
      return {global ? "message/global" : "message/rfc822", "Your message", std::move(text)};
    }
  }
  std::string text = repair_lines(header_section(original, kHeadersMax));
  const bool global = is_global(facts) && !is_ascii(text);
  return {global ? "message/global-headers" : "text/rfc822-headers", "Header of your message",
          std::move(text)};
}

std::vector<Part> parts_of(const DsnFacts& facts, const Body& original, std::size_t full_max) {
  std::vector<Part> parts;
  std::string text = report_text(facts);
  const std::string_view charset = is_ascii(text) ? "us-ascii" : "utf-8";
  parts.push_back({"text/plain; charset=" + std::string(charset), "Report", std::move(text)});
  parts.push_back({is_global(facts) ? "message/global-delivery-status" : "message/delivery-status",
                   "Report for programs", status_fields(facts)});
  // RFC 6522 section 3: the third part is optional; there may be nothing to return.
  Part returned = returned_part(facts, original, full_max);
  if (!returned.text.empty()) parts.push_back(std::move(returned));
  return parts;
}

// A boundary that occurs in no part. A random one practically never does; the number makes it
// certain.
std::string boundary_for(const std::vector<Part>& parts, Random& random) {
  const std::string token = "=_" + random.token(kTokenLength);
  std::string boundary = token;
  const auto occurs = [&](const Part& part) {
    return part.text.find(boundary) != std::string::npos;
  };
  for (unsigned n = 1; std::any_of(parts.begin(), parts.end(), occurs); ++n) {
    boundary = token + '_' + std::to_string(n);
  }
  return boundary;
}

std::string report_header(const DsnFacts& facts, const std::string& boundary, bool eight_bit,
                          Random& random) {
  std::string out;
  const std::string host = clean_text(facts.reporting_mta, kDomainMax, false);
  const std::string sender =
      clean_text(facts.envelope.sender.to_string(), kAddressMax, is_global(facts));
  append_field(out, "From", "Mail Relay <MAILER-DAEMON@" + host + ">");
  append_field(out, "To", "<" + sender + ">");
  append_field(out, "Subject", report_subject(facts));
  append_field(out, "Date", to_rfc5322(facts.now));
  append_field(out, "Message-ID", "<" + random.token(kTokenLength) + "@" + host + ">");
  append_field(out, "Auto-Submitted", "auto-replied");
  append_field(out, "MIME-Version", "1.0");
  append_field(out, "Content-Type",
               "multipart/report; report-type=delivery-status; boundary=\"" + boundary + "\"");
  // RFC 2045 section 6.4: a multipart is labelled as its widest part.
  if (eight_bit) append_field(out, "Content-Transfer-Encoding", "8bit");
  out += "\r\n";
  return out;
}

void append_part_header(std::string& out, const Part& part, const std::string& boundary) {
  out += "--" + boundary + "\r\n";
  append_field(out, "Content-Type", part.type);
  append_field(out, "Content-Description", part.description);
  if (!is_ascii(part.text)) append_field(out, "Content-Transfer-Encoding", "8bit");
  out += "\r\n";
}

bool is_ascii_body(const Body& body) {
  return std::all_of(body.chunks().begin(), body.chunks().end(),
                     [](const Chunk& chunk) { return is_ascii(chunk.view()); });
}

}  // namespace

Body build_dsn(const DsnFacts& facts, const Body& original, std::size_t full_max, Random& random) {
  PR_CHECK(!facts.envelope.sender.is_null(), facts.message_id);
  PR_CHECK(!facts.recipients.empty(), facts.message_id);
  std::vector<Part> parts = parts_of(facts, original, full_max);
  const std::string boundary = boundary_for(parts, random);
  const bool eight_bit = std::any_of(parts.begin(), parts.end(),
                                     [](const Part& part) { return !is_ascii(part.text); });

  Body report;
  std::string head = report_header(facts, boundary, eight_bit, random);
  for (Part& part : parts) {
    append_part_header(head, part, boundary);
    report.append(Chunk(std::move(head)));
    report.append(Chunk(std::move(part.text)));
    head = "\r\n";  // belongs to the delimiter that follows (RFC 2046 section 5.1.1)
  }
  head += "--" + boundary + "--\r\n";
  report.append(Chunk(std::move(head)));
  return report;
}

Envelope dsn_envelope(const DsnFacts& facts, const Body& report) {
  Envelope envelope;
  envelope.eight_bit = !is_ascii_body(report);
  // In the RFC 6533 form what is not ASCII stands in header fields; the bytes of an old-form
  // report's third part need no more than BODY=8BITMIME.
  envelope.smtputf8 = envelope.eight_bit && is_global(facts);
  envelope.tenant = facts.envelope.tenant;
  envelope.priority = facts.envelope.priority;  // RFC 6710 section 4.6
  return envelope;
}

}  // namespace postrider::message
