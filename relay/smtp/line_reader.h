// LineReader: cuts a byte stream into command lines, strictly: CRLF and nothing else ends a line
// (RFC 5321 section 2.3.8). Lines that hold a bare CR, a bare LF or a NUL are named as such and
// never acted upon; what follows a bare LF up to the next CRLF belongs to the same bad line.
//
// Memory is bounded by the limit given to read(). Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::smtp {

enum class LineVerdict : std::uint8_t {
  kIncomplete,  // all input was taken; the line goes on
  kGood,
  kBareLf,  // ended by a bare LF, or came behind one
  kBareCr,
  kNul,
  kTooLong,
};

class LineReader {
 public:
  // Takes bytes from the front of `input`, through the LF that ends a line if there is one. A bare
  // LF is reported at once, so that a client that knows only LF is told, not left to wait.
  // `line_max` counts the CRLF.
  LineVerdict read(std::string_view& input, std::size_t line_max);

  // The line that the last read() ended, without its line end; of a kTooLong line only the
  // beginning is certain to be there. Valid until the next call; may point into that read's input.
  [[nodiscard]] std::string_view line() const { return line_view_; }

  // Some octets of a line have come, its end has not.
  [[nodiscard]] bool in_line() const { return length_ > 0 || behind_bare_lf_; }

  // Forgets everything, as at the start of TLS.
  void reset();

 private:
  void inspect(std::string_view piece);
  void keep(std::string_view piece, std::size_t line_max);
  LineVerdict finish(std::size_t line_max);
  void begin_line();

  std::string partial_;         // the beginning of a line that came in pieces
  std::string_view line_view_;  // into the input of the last read(), or into partial_
  std::size_t length_ = 0;      // octets of this line so far
  bool finished_ = false;       // the last read() ended a line: partial_ is no longer needed
  bool after_cr_ = false;
  bool bare_cr_ = false;
  bool nul_ = false;
  bool behind_bare_lf_ = false;
};

}  // namespace postrider::smtp
