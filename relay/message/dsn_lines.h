// The one way in which a report's own lines are written: CRLF ends, no control character, far below
// the 998 octets of RFC 5322 section 2.1.1. Private to this module. Thread: pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postrider::message {

// Octets of a line, CRLF not counted; RFC 5322 section 2.1.1.
inline constexpr std::size_t kLineOctetsMax = 998;

// `text` with every control character and, unless `utf8`, every non-ASCII octet as '?'; ill-formed
// UTF-8 too. At most `limit` octets, cut between characters with "..." behind.
std::string clean_text(std::string_view text, std::size_t limit, bool utf8);

// Appends "name: value", folded before single spaces at 78 columns where there are any. `value` has
// passed clean_text.
void append_field(std::string& out, std::string_view name, std::string_view value);

// Appends `text` as lines of at most 72 columns where its words allow, each after `indent`.
void append_paragraph(std::string& out, std::string_view indent, std::string_view text);

// `text` fit for the wire: a stray CR, LF or NUL becomes '?', a line over kLineOctetsMax is cut,
// and the last line is ended.
std::string repair_lines(std::string_view text);

// Whether repair_lines would change nothing.
bool has_wire_lines(std::string_view text);

}  // namespace postrider::message
