// The parameters of MAIL and RCPT: two tables, a row each. Private to relay/smtp.
// Thread: pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "relay/message/envelope.h"
#include "relay/message/status.h"
#include "relay/smtp/command.h"

namespace postrider::smtp {

// Reads `text` ("SIZE=1000 BODY=8BITMIME") into `command`; returns the reply if it is not right:
// 555 for a parameter we do not know (RFC 5321 section 4.1.1.11), 501 for a bad or repeated one.
// Without `future_release` those of RFC 4865 are not known.
std::optional<message::Status> apply_mail_parameters(std::string_view text, bool future_release,
                                                     MailCommand& command);

// The same for RCPT. `utf8` allows UTF-8 in an ORCPT of type utf-8 (RFC 6533).
std::optional<message::Status> apply_rcpt_parameters(std::string_view text, bool utf8,
                                                     message::Recipient& recipient);

// xtext of RFC 3461 section 4 that stands for printable ASCII (space included).
bool is_xtext(std::string_view text);

}  // namespace postrider::smtp
