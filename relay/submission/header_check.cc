#include "relay/submission/header_check.h"

#include <algorithm>
#include <string>

#include "relay/message/address.h"
#include "relay/policy/senders.h"

namespace postrider::submission {

namespace {

// Octets of a line that a reply repeats.
constexpr std::size_t kLineShownMax = 40;

// What a reply repeats of a line; it escapes what cannot be printed.
std::string beginning(std::string_view text) {
  const std::string_view line = text.substr(0, text.find("\r\n"));
  return std::string(line.substr(0, kLineShownMax)) + (line.size() > kLineShownMax ? "..." : "");
}

bool is_anybody(const auth::User& user) {
  return std::find(user.senders.begin(), user.senders.end(), "*") != user.senders.end();
}

// Of a field.
bool has_blank_before_colon(std::string_view text) {
  const std::string_view name = text.substr(0, text.find(':'));
  return name.ends_with(' ') || name.ends_with('\t');
}

Denied bad_syntax(std::string text) {
  return {"header_syntax", {554, {5, 6, 0}, std::move(text)}};
}

Denied bad_from(std::string text) {
  return {"from_not_allowed", {550, {5, 7, 1}, std::move(text)}};
}

}  // namespace

std::optional<Denied> check_fields(const message::HeaderSection& header) {
  std::ptrdiff_t line = 1;
  std::size_t from = 0;
  for (const auto& field : header.fields()) {
    if (field.name.empty()) {
      return bad_line(line, "is no field", field.text);
    }
    if (has_blank_before_colon(field.text)) {
      return bad_line(line, "has a blank before its colon", field.text);
    }
    line += std::count(field.text.begin(), field.text.end(), '\n');
    if (field.name == "from") ++from;
  }
  if (from > 1) return bad_syntax("The message has more than one From field");
  return std::nullopt;
}

std::optional<Denied> check_from(const message::HeaderSection& header, const auth::User& user,
                                 bool utf8) {
  if (is_anybody(user)) return std::nullopt;
  const std::vector<std::string> fields = header.values("from");
  if (fields.empty()) return bad_from("The message has no From field");
  for (const std::string& field : fields) {
    const message::Authors authors = message::parse_authors(field, utf8);
    if (authors.addresses.empty() || authors.doubtful) {
      return bad_from("The From field holds no plain address");
    }
    for (const auto* addresses : {&authors.addresses, &authors.shown}) {
      for (const message::Address& address : *addresses) {
        if (policy::may_send_as(user.senders, address)) continue;
        return bad_from("This user may not send as " + address.to_string());
      }
    }
  }
  return std::nullopt;
}

Denied bad_line(std::ptrdiff_t number, std::string_view defect, std::string_view text) {
  return bad_syntax("Line " + std::to_string(number) + " of the header section " +
                    std::string(defect) + ": \"" + beginning(text) + "\"");
}

Denied signed_field(std::string_view reason, const std::string& name, std::string_view whom) {
  return {reason,
          {554,
           {5, 6, 0},
           "The field " + name + " is for " + std::string(whom) +
               " and cannot be removed: a DKIM signature covers it"}};
}

}  // namespace postrider::submission
