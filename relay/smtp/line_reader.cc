#include "relay/smtp/line_reader.h"

namespace postrider::smtp {

LineVerdict LineReader::read(std::string_view& input, std::size_t line_max) {
  if (finished_) begin_line();
  const std::size_t line_feed = input.find('\n');
  const bool ended = line_feed != std::string_view::npos;
  const std::string_view piece = input.substr(0, ended ? line_feed + 1 : input.size());
  input.remove_prefix(piece.size());
  if (length_ == 0 && ended) {
    line_view_ = piece;  // the usual case: a whole line in one read, not copied
    inspect(piece);
    length_ = piece.size();
    return finish(line_max);
  }
  inspect(piece);
  keep(piece, line_max);
  if (!ended) return LineVerdict::kIncomplete;
  line_view_ = partial_;
  return finish(line_max);
}

void LineReader::reset() {
  begin_line();
  behind_bare_lf_ = false;
}

void LineReader::begin_line() {
  partial_.clear();
  line_view_ = {};
  length_ = 0;
  finished_ = false;
  after_cr_ = false;
  bare_cr_ = false;
  nul_ = false;
}

// Finds CRs that no LF follows, and NULs. `piece` holds at most one LF, as its last byte.
void LineReader::inspect(std::string_view piece) {
  if (piece.empty()) return;
  if (after_cr_ && piece.front() != '\n') bare_cr_ = true;
  const bool ended = piece.back() == '\n';
  const std::string_view text = piece.substr(0, piece.size() - (ended ? 1 : 0));
  if (!text.empty()) {
    const std::size_t cr = text.find('\r');
    if (cr != std::string_view::npos && cr + 1 != text.size()) bare_cr_ = true;
    after_cr_ = text.back() == '\r';
    if (text.find('\0') != std::string_view::npos) nul_ = true;
  }
}

void LineReader::keep(std::string_view piece, std::size_t line_max) {
  length_ += piece.size();
  const std::size_t room = line_max > partial_.size() ? line_max - partial_.size() : 0;
  partial_.append(piece.substr(0, room));
}

LineVerdict LineReader::finish(std::size_t line_max) {
  const bool strict = after_cr_;
  const bool bare_lf = !strict || behind_bare_lf_;
  const bool too_long = length_ > line_max;
  behind_bare_lf_ = !strict;
  finished_ = true;
  length_ = 0;
  if (!too_long) line_view_.remove_suffix(strict ? 2 : 1);
  if (bare_lf) return LineVerdict::kBareLf;
  if (bare_cr_) return LineVerdict::kBareCr;
  if (nul_) return LineVerdict::kNul;
  return too_long ? LineVerdict::kTooLong : LineVerdict::kGood;
}

}  // namespace postrider::smtp
