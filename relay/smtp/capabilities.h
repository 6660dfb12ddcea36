// EHLO keywords: what we offer, and what a peer's reply to EHLO means. Thread: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "relay/base/clock.h"
#include "relay/smtp/client_session.h"
#include "relay/smtp/server_session.h"

namespace postrider::smtp {

// The text of our reply to EHLO, lines joined by "\n", the host name first. With `release_max`, the
// latest time until which we hold a message, FUTURERELEASE is offered.
std::string offer_capabilities(const ServerOptions& options, const TlsFacts* tls, bool scram,
                               const std::optional<WallTime>& release_max = std::nullopt);

// `text` of a peer's reply to EHLO, its first line (the greeting) included. Keywords we have no use
// for are passed over; one with a value that makes no sense counts as not offered.
ClientSession::Capabilities parse_capabilities(std::string_view text);

}  // namespace postrider::smtp
