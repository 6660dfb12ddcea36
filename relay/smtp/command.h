// The grammar of SMTP commands (RFC 5321 section 4.1, with the parameters of RFC 1870, 3461, 4865,
// 4954, 6152, 6531 and 6710): what a line says, without regard to whether it may be said now.
//
// A line that cannot be understood gives the reply to answer it with. Thread: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "relay/base/clock.h"
#include "relay/message/envelope.h"
#include "relay/message/status.h"

namespace postrider::smtp {

enum class Verb : std::uint8_t {
  kEhlo,
  kHelo,
  kStartTls,
  kAuth,
  kMail,
  kRcpt,
  kData,
  kBdat,
  kRset,
  kNoop,
  kHelp,
  kVrfy,
  kQuit,
  kUnimplemented,  // known to some RFC, not done here: EXPN, TURN, ETRN, SEND, SOML, SAML
  kHttp,           // somebody takes us for a web server
  kUnknown,
};

struct CommandLine {
  Verb verb = Verb::kUnknown;
  std::string_view argument;  // into the line; without spaces at its ends
};

// `line` without its line end.
CommandLine split_command(std::string_view line);

template <class T>
using Parsed = std::variant<T, message::Status>;

struct MailCommand {
  // sender, eight_bit, smtputf8, return_content, envelope_id, release_request, priority
  message::Envelope envelope;
  std::uint64_t size = 0;  // SIZE; 0: not declared
  // HOLDFOR and HOLDUNTIL; of good commands at most one is set.
  Seconds hold_for{0};
  std::optional<WallTime> hold_until;
};

// The argument of MAIL: "FROM:<address> parameters". AUTH= is checked for syntax and dropped;
// HOLDFOR= and HOLDUNTIL= are known where `future_release` is offered.
Parsed<MailCommand> parse_mail(std::string_view argument, bool future_release);

// The argument of RCPT: "TO:<address> parameters". `utf8`: the transaction asked for SMTPUTF8.
Parsed<message::Recipient> parse_rcpt(std::string_view argument, bool utf8);

struct ChunkCommand {
  std::uint64_t size = 0;
  bool last = false;
};

// The argument of BDAT (RFC 3030 section 2).
std::optional<ChunkCommand> parse_bdat(std::string_view argument);

// A name to give with EHLO or HELO. Wider than RFC 5321 section 4.1.1.1, since clients send what
// their host happens to be called, but printable, without spaces, and of 1..255 octets.
bool is_hello_name(std::string_view argument);

}  // namespace postrider::smtp
