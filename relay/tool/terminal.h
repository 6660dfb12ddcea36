// Terminal: what the tool says to a person and asks of one. Thread: main.
#pragma once

#include <string>
#include <string_view>

#include "relay/base/result.h"

namespace postrider::tool {

// First thing in main: a standard stream that is closed gets a descriptor that fails as the closed
// one did, so that no file or socket of ours takes its number.
void hold_standard_streams();

// To standard output, as it is. Complains where that fails.
void print(std::string_view text);
// At the end of a command: whether all that it printed, its help too, could be written.
bool finish_printing();
// To standard error, as a line behind "postrider: ".
void complain(std::string_view text);

// Whether standard input is a terminal: somebody is there to be asked.
bool can_ask();
// `question` and "[y/N]"; true only for an answer that begins with y.
bool confirm(std::string_view question);
// A line of standard input without its end; on a terminal after `prompt`, and not shown. Errors:
// the input ended, or is longer than a password may be.
Result<std::string> read_secret(std::string_view prompt);

}  // namespace postrider::tool
