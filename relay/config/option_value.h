// Values of options: from what a file says, and back to the text of a file. Thread: pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "relay/base/result.h"
#include "relay/config/option_table.h"

namespace postrider::config {

// `text` in quotes, as a message shows what an operator wrote: printable, and not endless.
std::string shown(std::string_view text);

// A value of the file's format that no option has: "a date", "a table".
struct Foreign {
  std::string_view type;
};

using Value =
    std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>, Foreign>;

// Sets the option in `record`. An error says what is wrong with the value, without the option's
// name, and never repeats a secret; the record is as before.
Result<void> assign(const Option& option, const Record& record, const Value& value);

// What the record holds, as the file would write it: `"30s"`, `true`, `["192.0.2.1:53"]`. Secrets
// too.
std::string literal(const Option& option, const Record& record);

// What may be written: `duration, 1s to 1d`, `one of "none", "may"`.
std::string expected_value(const Option& option);

// The number behind a count, number, size or duration (in seconds); nullopt for other kinds.
std::optional<double> numeric_value(const Option& option, const Record& record);

// "64KiB", "50MB", "1000"; units B, KB, MB, GB, TB and KiB, MiB, GiB, TiB.
Result<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t octets);
// "500ms", "30s", "5m", "4h", "5d"; one number, one unit.
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);
std::string format_duration(std::chrono::nanoseconds duration);
// Quoted as a TOML basic string.
std::string quote(std::string_view text);

}  // namespace postrider::config
