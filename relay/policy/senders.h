// Senders: in whose name a user may send. Default deny: what no pattern names is refused.
// Thread: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "relay/base/result.h"
#include "relay/message/address.h"

namespace postrider::policy {

// "*" everybody, "<>" the null sender, "example.com" that domain, "*.example.com" the domains below
// it, "news@example.com" that address (its local part compared exactly).
Result<void> check_sender_pattern(std::string_view pattern);

// The null sender is nobody's but that of "*" and "<>".
bool may_send_as(const std::vector<std::string>& patterns, const message::Address& address);

}  // namespace postrider::policy
