// The second part of a report: the fields of RFC 3464, for programs. Private to this module.
// Thread: pure functions.
#pragma once

#include <string>

#include "relay/message/dsn.h"

namespace postrider::message {

// Whether the report takes the internationalized form of RFC 6533: the original used SMTPUTF8, or
// an address in it cannot be written without.
bool is_global(const DsnFacts& facts);

// The code for the Status field: what was said, else what follows from the reply code or the
// action.
EnhancedCode reported_status(const DsnRecipient& recipient);

// All field groups, per message and per recipient, CRLF at the end. ASCII unless is_global().
std::string status_fields(const DsnFacts& facts);

}  // namespace postrider::message
