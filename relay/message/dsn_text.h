// The first part of a report: what happened and what to do, for people who do not run mail systems.
// Private to this module. Thread: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "relay/message/dsn.h"

namespace postrider::message {

// The report's Subject: what happened, in a few words.
std::string_view report_subject(const DsnFacts& facts);

// The text, CRLF at the end of each line. ASCII unless is_global().
std::string report_text(const DsnFacts& facts);

}  // namespace postrider::message
