// The text of a message on the wire: taking it in (dot-unstuffing and the end-of-data rule, RFC
// 5321 section 4.5.2; chunks, RFC 3030), judging it, and sending it out.
//
// One rule stands above all here: only CRLF "." CRLF ends a text, and only CRLF ends a line. Text
// with a bare CR, a bare LF or a NUL is marked as defective, whose end is still searched by that
// one rule; two servers that disagree on it can be made to see two messages where one was sent.
// No byte is copied on the way in, none but short runs between stuffed dots on the way out.
// Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "relay/base/bytes.h"
#include "relay/message/body.h"

namespace postrider::smtp {

enum TextDefect : std::uint8_t {
  kDefectBareLf = 1,
  kDefectBareCr = 2,
  kDefectNul = 4,
  kDefectLongLine = 8,
};

// What to tell the sender of a text with `defects` (bits, not 0): the first that applies.
std::string_view describe_defect(std::uint8_t defects);

// Judges text as it comes, in pieces of any size.
class TextCheck {
 public:
  // `line_max` counts the CRLF.
  explicit TextCheck(std::size_t line_max) : line_max_(line_max) {}

  void feed(std::string_view text);
  // Judges through the first LF of `text`, or all of it; returns how many bytes that were.
  std::size_t feed_line(std::string_view text);
  // The text is over: a CR at its very end is a bare one.
  void finish();

  [[nodiscard]] std::uint8_t defects() const { return defects_; }

  // Nothing, or a CRLF, was the last thing seen.
  [[nodiscard]] bool at_line_start() const { return at_line_start_; }

 private:
  friend class DataDecoder;

  std::size_t line_max_;
  std::size_t line_length_ = 0;
  std::uint8_t defects_ = 0;
  bool at_line_start_ = true;
  bool after_cr_ = false;
};

// The text behind DATA.
class DataDecoder {
 public:
  explicit DataDecoder(std::size_t line_max) : check_(line_max) {}

  // Takes bytes from the front of `input` and returns the text they stand for, as a view into them;
  // it may be empty. Call again while input is left and the text has not ended. Nothing behind the
  // end is taken.
  std::string_view take(std::string_view& input);

  [[nodiscard]] bool ended() const { return state_ == State::kEnded; }

  [[nodiscard]] std::uint8_t defects() const { return check_.defects(); }

 private:
  enum class State : std::uint8_t { kText, kDot, kDotCr, kEnded };

  bool take_dot(std::string_view& input);
  std::size_t text_run(std::string_view input);

  TextCheck check_;
  State state_ = State::kText;
};

// `body` as it is sent behind a 354: stuffed, with the final CRLF "." CRLF. A body that is not
// canonical (a bare CR or LF: our own mistake, or damage) gives nullopt; such text never leaves.
std::optional<std::vector<Chunk>> encode_data(const message::Body& body);

// `body` as one chunk, the last, with its BDAT command in front (RFC 3030); nullopt as above.
std::optional<std::vector<Chunk>> encode_bdat(const message::Body& body);

// What has to be known of a text before the first octet of it is sent.
struct TextFacts {
  std::uint64_t size = 0;
  bool seven_bit = true;
  bool canonical = true;  // no bare CR or LF
  bool ends_line = true;  // there is nothing in it, or a CRLF at its end
};

// Finds them out while a text passes by, in pieces of any size.
class TextSurvey {
 public:
  void feed(const message::Body& piece);
  // The text is over.
  TextFacts finish();

 private:
  TextCheck check_{std::numeric_limits<std::size_t>::max()};
  TextFacts facts_;
};

// encode_data() and encode_bdat() for a text that comes in pieces and is never there as a whole.
class TextEncoder {
 public:
  // `facts` are those of the whole text, which is canonical and not empty.
  TextEncoder(const TextFacts& facts, bool bdat) : facts_(facts), bdat_(bdat) {}

  // The next piece as it is sent; the last one with the end of the text behind it. Nullopt: the
  // text is not what `facts` says, and must not be ended.
  std::optional<std::vector<Chunk>> encode(const message::Body& piece);

  // The end has been given out.
  [[nodiscard]] bool done() const { return given_ == facts_.size; }

 private:
  TextFacts facts_;
  bool bdat_;
  std::uint64_t given_ = 0;
  TextCheck check_{std::numeric_limits<std::size_t>::max()};
};

// The "." CRLF that ends a text of no lines (RFC 2920 section 3.1).
Chunk lone_dot();

}  // namespace postrider::smtp
