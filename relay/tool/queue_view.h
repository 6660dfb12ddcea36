// What the relay says about its queue, as text for a person. Thread: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "relay/base/result.h"

namespace postrider::tool {

// Each takes the body of an answer of the admin server (relay/admin/server.h). An error says that
// it is not one, which a program of another kind on that port causes.
Result<std::string> show_queues(std::string_view body);
Result<std::string> show_messages(std::string_view body);
Result<std::string> show_message(std::string_view body);
// The number of messages that a change was made to.
Result<std::uint64_t> changed_messages(std::string_view body);
// The text of an error; "" where there is none.
std::string error_text(std::string_view body);

}  // namespace postrider::tool
