// Replies (RFC 5321 section 4.2, RFC 2034): writing ours, reading a peer's.
// Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "relay/message/status.h"

namespace postrider::smtp {

// Appends `status` as a reply: one line for each line of its text, printable ASCII only (other
// bytes become "?"), at most 512 octets a line. Replies of class 2, 4 and 5 get an enhanced code:
// the status's own, put into the class of the reply code if it is of another, or x.0.0.
void append_reply(std::string& out, const message::Status& status);

// The same without an enhanced code: for the greeting, EHLO, HELO and intermediate replies, where
// RFC 2034 section 3 has none.
void append_plain_reply(std::string& out, int code, std::string_view text);

// A challenge within AUTH, of any octets, whole: its line may be longer than others (RFC 4954
// section 4).
void append_challenge(std::string& out, std::string_view challenge);

enum class ReplyVerdict : std::uint8_t {
  kIncomplete,
  kComplete,
  kMalformed,  // no reply by any grammar, or lines with different codes
  kTooLong,    // more lines, or a longer line, than allowed
};

// Puts a peer's replies together from any pieces. Lines may end in a bare LF, as some servers' do:
// nothing reads these bytes after us, so nothing can read them differently.
class ReplyParser {
 public:
  ReplyParser(std::size_t lines_max, std::size_t line_max)
      : lines_max_(lines_max), line_max_(line_max) {}

  // Takes bytes from the front of `input`, through the end of one reply if it is there. After
  // kMalformed or kTooLong the parser is of no more use.
  ReplyVerdict read(std::string_view& input);

  // Of the reply that read() completed, until the next read().
  [[nodiscard]] int code() const { return code_; }

  // Its lines without the codes, joined by "\n"; no CR, no NUL.
  [[nodiscard]] const std::string& text() const { return text_; }

  // The reply as a Status, enhanced code taken apart; the text is cut to message::kStatusTextMax
  // octets.
  [[nodiscard]] message::Status status() const;

  // Some octets of a reply have come, its end has not.
  [[nodiscard]] bool in_reply() const { return !complete_ && (lines_ > 0 || !line_.empty()); }

 private:
  ReplyVerdict end_of_line();

  std::size_t lines_max_;
  std::size_t line_max_;
  std::string line_;
  std::string text_;
  std::size_t lines_ = 0;
  int code_ = 0;
  bool complete_ = false;
};

}  // namespace postrider::smtp
