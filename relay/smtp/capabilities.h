// EHLO keywords: what we offer, and what a peer's reply to EHLO means. Thread: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "relay/smtp/client_session.h"
#include "relay/smtp/server_session.h"

namespace postrider::smtp {

// The text of our reply to EHLO, lines joined by "\n", the host name first.
std::string offer_capabilities(const ServerOptions& options, const TlsFacts* tls, bool scram);

// `text` of a peer's reply to EHLO, its first line (the greeting) included. Keywords we have no use
// for are passed over; one with a value that makes no sense counts as not offered.
ClientSession::Capabilities parse_capabilities(std::string_view text);

}  // namespace postrider::smtp
