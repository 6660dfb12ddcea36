#include "relay/smtp/parameter.h"

#include <algorithm>
#include <limits>
#include <span>
#include <string>

#include "relay/base/ascii.h"
#include "relay/message/utf8.h"
#include "relay/message/xtext.h"

namespace postrider::smtp {

namespace {

using message::Recipient;
using message::Status;

// Octets; RFC 3461 sections 4.4 and 4.2, RFC 1870 section 3.
constexpr std::size_t kEnvelopeIdMax = 100;
constexpr std::size_t kOriginalRecipientMax = 500;
constexpr std::size_t kSizeDigitsMax = 20;
// RFC 4865 section 3: 1 to 999999999 seconds; the octets of a date-time, with room for a fraction.
constexpr std::size_t kHoldDigitsMax = 9;
constexpr std::size_t kDateTimeMax = 40;

using Value = std::optional<std::string_view>;  // nullopt: the keyword stood without "="

struct RcptCommand {
  Recipient& recipient;
  bool utf8;
};

template <class Command>
struct ParameterRow {
  std::string_view keyword;
  bool (*apply)(Command& command, Value value);  // false: the value is no good
  std::uint16_t detail = 4;                      // of the enhanced code 5.5.x of a bad one
};

bool apply_size(MailCommand& command, Value value) {
  if (!value || value->empty() || value->size() > kSizeDigitsMax) return false;
  if (!std::all_of(value->begin(), value->end(), ascii::is_digit)) return false;
  // 20 digits may be more than 64 bits hold: then it is too large for anybody.
  command.size = ascii::parse_u64(*value).value_or(std::numeric_limits<std::uint64_t>::max());
  return true;
}

bool apply_body(MailCommand& command, Value value) {
  if (!value) return false;
  command.envelope.eight_bit = ascii::iequals(*value, "8BITMIME");
  return command.envelope.eight_bit || ascii::iequals(*value, "7BIT");
}

bool apply_smtputf8(MailCommand& command, Value value) {
  command.envelope.smtputf8 = true;
  return !value;
}

bool apply_ret(MailCommand& command, Value value) {
  if (!value) return false;
  const bool full = ascii::iequals(*value, "FULL");
  command.envelope.return_content =
      full ? message::ReturnContent::kFull : message::ReturnContent::kHeaders;
  return full || ascii::iequals(*value, "HDRS");
}

bool apply_envid(MailCommand& command, Value value) {
  if (!value || value->empty() || value->size() > kEnvelopeIdMax || !is_xtext(*value)) return false;
  command.envelope.envelope_id = *value;
  return true;
}

// RFC 4954 section 5 lets a server that does not trust the client's word treat it as "AUTH=<>".
bool apply_auth(MailCommand& /*command*/, Value value) {
  return value && !value->empty() && (*value == "<>" || is_xtext(*value));
}

// RFC 6710 section 7: one digit, with "-" before it unless it is 0.
bool apply_priority(MailCommand& command, Value value) {
  if (!value || value->empty()) return false;
  const bool is_negative = value->front() == '-';
  const std::string_view digits = value->substr(is_negative ? 1 : 0);
  if (digits.size() != 1 || !ascii::is_digit(digits[0])) return false;
  if (is_negative && digits[0] == '0') return false;
  command.envelope.priority = is_negative ? '0' - digits[0] : digits[0] - '0';
  return true;
}

bool apply_hold_for(MailCommand& command, Value value) {
  if (!value || value->empty() || value->size() > kHoldDigitsMax || value->front() == '0') {
    return false;
  }
  const std::optional<std::uint64_t> seconds = ascii::parse_u64(*value);
  if (!seconds) return false;
  command.hold_for = Seconds(*seconds);
  command.envelope.release_request = "for;" + std::string(*value);
  return true;
}

bool apply_hold_until(MailCommand& command, Value value) {
  if (!value || value->size() > kDateTimeMax) return false;
  const std::optional<WallTime> time = parse_utc(*value);
  if (!time) return false;
  command.hold_until = time;
  command.envelope.release_request = "until;" + std::string(*value);
  return true;
}

bool apply_notify(RcptCommand& command, Value value) {
  if (!value) return false;
  if (ascii::iequals(*value, "NEVER")) {
    command.recipient.notify = message::kNotifyNever;
    return true;
  }
  unsigned bits = 0;
  for (const std::string_view part : ascii::split(*value, ',')) {
    unsigned bit = 0;
    if (ascii::iequals(part, "SUCCESS")) bit = message::kNotifySuccess;
    if (ascii::iequals(part, "FAILURE")) bit = message::kNotifyFailure;
    if (ascii::iequals(part, "DELAY")) bit = message::kNotifyDelay;
    if (bit == 0) return false;  // NEVER stands alone
    bits |= bit;
  }
  command.recipient.notify = static_cast<std::uint8_t>(bits);
  return true;
}

// An atom within a parameter: RFC 5321 section 4.1.2 has no "=" in an esmtp-value.
bool is_atom(std::string_view text) {
  constexpr std::string_view kAtomSpecials = "!#$%&'*+-/?^_`{|}~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return ascii::is_alpha(c) || ascii::is_digit(c) ||
           kAtomSpecials.find(c) != std::string_view::npos;
  });
}

// RFC 6533 section 3: printable but for the two signs of xtext, with \x{...} for what is not; UTF-8
// itself only under SMTPUTF8.
bool is_utf8_address(std::string_view text, bool utf8) {
  return message::is_utf8(text) && std::all_of(text.begin(), text.end(), [utf8](char c) {
           return (c & '\x80') != 0 ? utf8 : c > 32 && c < 127 && c != '+' && c != '=';
         });
}

bool apply_orcpt(RcptCommand& command, Value value) {
  if (!value || value->size() > kOriginalRecipientMax) return false;
  const std::size_t semicolon = value->find(';');
  if (semicolon == std::string_view::npos) return false;
  const std::string_view type = value->substr(0, semicolon);
  const std::string_view address = value->substr(semicolon + 1);
  if (!is_atom(type) || address.empty()) return false;
  const bool good =
      ascii::iequals(type, "utf-8") ? is_utf8_address(address, command.utf8) : is_xtext(address);
  if (good) command.recipient.original = *value;
  return good;
}

constexpr ParameterRow<MailCommand> kMailParameters[] = {
    {"SIZE", apply_size},
    {"BODY", apply_body},
    {"SMTPUTF8", apply_smtputf8},
    {"RET", apply_ret},
    {"ENVID", apply_envid},
    {"AUTH", apply_auth},
    {"MT-PRIORITY", apply_priority, 2},
    // Those of FUTURERELEASE are the last.
    {"HOLDFOR", apply_hold_for},
    {"HOLDUNTIL", apply_hold_until},
};
constexpr std::size_t kFutureReleaseParameters = 2;

constexpr ParameterRow<RcptCommand> kRcptParameters[] = {
    {"NOTIFY", apply_notify},
    {"ORCPT", apply_orcpt},
};

template <class Row>
Status bad_parameter(const Row& row, std::string_view what) {
  return {501, {5, 5, row.detail}, std::string(what) + " " + std::string(row.keyword)};
}

template <class Command>
std::optional<Status> apply_parameters(std::string_view text,
                                       std::span<const ParameterRow<Command>> rows,
                                       Command& command) {
  unsigned seen = 0;
  while (!text.empty()) {
    const std::size_t space = text.find_first_of(" \t");
    const std::string_view parameter = text.substr(0, space);
    text = space == std::string_view::npos ? "" : ascii::trim(text.substr(space));
    const std::size_t equals = parameter.find('=');
    const std::string_view keyword = parameter.substr(0, equals);
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& candidate) {
      return ascii::iequals(keyword, candidate.keyword);
    });
    if (row == rows.end()) return Status{555, {5, 5, 4}, "Parameter not recognized"};
    const unsigned bit = 1U << (row - rows.begin());
    if ((seen & bit) != 0) return bad_parameter(*row, "Repeated parameter");
    seen |= bit;
    Value value;
    if (equals != std::string_view::npos) value = parameter.substr(equals + 1);
    if (!row->apply(command, value)) return bad_parameter(*row, "Bad value for parameter");
  }
  return std::nullopt;
}

}  // namespace

// What it stands for ends up in reports and commands, so it is held to printable ASCII.
bool is_xtext(std::string_view text) {
  const auto printable = [](char c) { return c >= 32 && c < 127; };
  if (!std::all_of(text.begin(), text.end(), printable)) return false;
  const std::optional<std::string> decoded = message::decode_xtext(text);
  return decoded && std::all_of(decoded->begin(), decoded->end(), printable);
}

std::optional<Status> apply_mail_parameters(std::string_view text, bool future_release,
                                            MailCommand& command) {
  std::span<const ParameterRow<MailCommand>> rows(kMailParameters);
  if (!future_release) rows = rows.first(rows.size() - kFutureReleaseParameters);
  return apply_parameters(text, rows, command);
}

std::optional<Status> apply_rcpt_parameters(std::string_view text, bool utf8,
                                            Recipient& recipient) {
  RcptCommand command{recipient, utf8};
  return apply_parameters(text, std::span<const ParameterRow<RcptCommand>>(kRcptParameters),
                          command);
}

}  // namespace postrider::smtp
