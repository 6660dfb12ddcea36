#include "relay/smtp/command.h"

#include <algorithm>
#include <utility>

#include "relay/base/ascii.h"
#include "relay/smtp/parameter.h"

namespace postrider::smtp {

namespace {

using message::Address;
using message::Status;

struct VerbName {
  std::string_view name;
  Verb verb;
};

constexpr VerbName kVerbNames[] = {
    {"MAIL", Verb::kMail},          {"RCPT", Verb::kRcpt},          {"DATA", Verb::kData},
    {"EHLO", Verb::kEhlo},          {"BDAT", Verb::kBdat},          {"RSET", Verb::kRset},
    {"QUIT", Verb::kQuit},          {"AUTH", Verb::kAuth},          {"STARTTLS", Verb::kStartTls},
    {"NOOP", Verb::kNoop},          {"HELO", Verb::kHelo},          {"VRFY", Verb::kVrfy},
    {"HELP", Verb::kHelp},          {"EXPN", Verb::kUnimplemented}, {"TURN", Verb::kUnimplemented},
    {"ETRN", Verb::kUnimplemented}, {"SEND", Verb::kUnimplemented}, {"SOML", Verb::kUnimplemented},
    {"SAML", Verb::kUnimplemented}, {"GET", Verb::kHttp},           {"POST", Verb::kHttp},
    {"PUT", Verb::kHttp},           {"HEAD", Verb::kHttp},          {"DELETE", Verb::kHttp},
    {"OPTIONS", Verb::kHttp},       {"CONNECT", Verb::kHttp},       {"PATCH", Verb::kHttp},
    {"TRACE", Verb::kHttp},         {"PRI", Verb::kHttp},
};

// RFC 5321 section 4.5.3.1.3, without the angle brackets.
constexpr std::size_t kPathMax = 254;

struct PathArgument {
  std::string_view path;  // between the angle brackets
  std::string_view parameters;
};

// The end of the path that begins `text`: a ">" that is not within a quoted string.
std::size_t find_path_end(std::string_view text) {
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted && c == '\\') {
      ++at;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == '>' && !quoted) {
      return at;
    }
  }
  return std::string_view::npos;
}

// Spaces behind the colon are against the grammar, and common; they can mean nothing else.
std::optional<PathArgument> split_path(std::string_view argument, std::string_view keyword) {
  if (!ascii::istarts_with(argument, keyword)) return std::nullopt;
  argument = ascii::trim(argument.substr(keyword.size()));
  if (argument.empty() || argument.front() != '<') return std::nullopt;
  argument.remove_prefix(1);
  const std::size_t end = find_path_end(argument);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view rest = argument.substr(end + 1);
  if (!rest.empty() && rest.front() != ' ' && rest.front() != '\t') return std::nullopt;
  return PathArgument{argument.substr(0, end), ascii::trim(rest)};
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & '\x80') == 0; });
}

// `detail`: the last part of the enhanced code, 7 for a sender and 3 for a recipient (RFC 3463).
Parsed<Address> parse_path(std::string_view path, bool utf8, std::uint16_t detail) {
  if (path.size() > kPathMax) {
    return Status{553, {5, 1, detail}, "Address is too long"};
  }
  if (!path.empty() && path.front() == '@') {
    // RFC 5321 section 3.6.1: a server may decline addresses that specify source routes. They serve
    // nothing today but to relay through others.
    return Status{550, {5, 7, 1}, "Source routes are not accepted"};
  }
  if (!utf8 && !is_ascii(path)) {
    return Status{553, {5, 6, 7}, "Address is not ASCII and SMTPUTF8 was not asked for"};
  }
  Result<Address> address = message::parse_mailbox(path, utf8);
  if (!address) return Status{553, {5, 1, detail}, address.error().text()};
  return std::move(*address);
}

}  // namespace

CommandLine split_command(std::string_view line) {
  const std::size_t space = line.find_first_of(" \t");
  const std::string_view name = line.substr(0, space);
  CommandLine command;
  if (space != std::string_view::npos) command.argument = ascii::trim(line.substr(space));
  for (const VerbName& row : kVerbNames) {
    if (ascii::iequals(name, row.name)) {
      command.verb = row.verb;
      break;
    }
  }
  return command;
}

Parsed<MailCommand> parse_mail(std::string_view argument, bool future_release) {
  const std::optional<PathArgument> parts = split_path(argument, "FROM:");
  if (!parts) return Status{501, {5, 5, 4}, "Syntax: MAIL FROM:<address> [parameters]"};
  MailCommand command;
  if (std::optional<Status> refusal =
          apply_mail_parameters(parts->parameters, future_release, command)) {
    return std::move(*refusal);
  }
  if (command.hold_for > Seconds(0) && command.hold_until) {  // RFC 4865 section 4.2
    return Status{501, {5, 5, 4}, "HOLDFOR and HOLDUNTIL exclude each other"};
  }
  if (parts->path.empty()) return command;  // the null sender
  Parsed<Address> sender = parse_path(parts->path, command.envelope.smtputf8, 7);
  if (Status* refusal = std::get_if<Status>(&sender)) return std::move(*refusal);
  command.envelope.sender = std::move(std::get<Address>(sender));
  // The bare name is one to send to (RFC 5321 section 4.5.1); no report could go back to it.
  if (command.envelope.sender.domain.empty()) {
    return Status{553, {5, 1, 7}, "Sender address needs a domain"};
  }
  return command;
}

Parsed<message::Recipient> parse_rcpt(std::string_view argument, bool utf8) {
  const std::optional<PathArgument> parts = split_path(argument, "TO:");
  if (!parts) return Status{501, {5, 5, 4}, "Syntax: RCPT TO:<address> [parameters]"};
  message::Recipient recipient;
  if (std::optional<Status> refusal = apply_rcpt_parameters(parts->parameters, utf8, recipient)) {
    return std::move(*refusal);
  }
  Parsed<Address> address = parse_path(parts->path, utf8, 3);
  if (Status* refusal = std::get_if<Status>(&address)) return std::move(*refusal);
  recipient.address = std::move(std::get<Address>(address));
  return recipient;
}

std::optional<ChunkCommand> parse_bdat(std::string_view argument) {
  const std::size_t space = argument.find(' ');
  const std::optional<std::uint64_t> size = ascii::parse_u64(argument.substr(0, space));
  if (!size) return std::nullopt;
  if (space == std::string_view::npos) return ChunkCommand{*size, false};
  if (!ascii::iequals(ascii::trim(argument.substr(space)), "LAST")) return std::nullopt;
  return ChunkCommand{*size, true};
}

bool is_hello_name(std::string_view argument) {
  return !argument.empty() && argument.size() <= message::kDomainMax && ascii::is_visible(argument);
}

}  // namespace postrider::smtp
