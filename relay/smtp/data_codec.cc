#include "relay/smtp/data_codec.h"

#include <limits>
#include <string>
#include <utility>

#include "relay/message/utf8.h"

namespace postrider::smtp {

std::string_view describe_defect(std::uint8_t defects) {
  if ((defects & kDefectBareLf) != 0) return "bare LF in message text; lines must end in CRLF";
  if ((defects & kDefectBareCr) != 0) return "bare CR in message text; lines must end in CRLF";
  if ((defects & kDefectNul) != 0) return "NUL in message text";
  return "text line too long";
}

// --- TextCheck ---

void TextCheck::feed(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) defects_ |= kDefectNul;
  while (!text.empty()) text.remove_prefix(feed_line(text));
}

std::size_t TextCheck::feed_line(std::string_view text) {
  const std::size_t line_feed = text.find('\n');
  const bool ended = line_feed != std::string_view::npos;
  const std::string_view line = text.substr(0, line_feed);
  if (!line.empty()) {
    if (after_cr_) defects_ |= kDefectBareCr;
    // The first CR has to be the last byte: then it is the only one, and an LF is next or not here
    // yet.
    const std::size_t cr = line.find('\r');
    if (cr != std::string_view::npos && cr + 1 != line.size()) defects_ |= kDefectBareCr;
    after_cr_ = line.back() == '\r';
    at_line_start_ = false;
  }
  const std::size_t taken = line.size() + (ended ? 1 : 0);
  line_length_ += taken;
  if (line_length_ > line_max_) defects_ |= kDefectLongLine;
  if (ended) {
    if (!after_cr_) defects_ |= kDefectBareLf;
    at_line_start_ = after_cr_;
    if (after_cr_) line_length_ = 0;
    after_cr_ = false;
  }
  return taken;
}

void TextCheck::finish() {
  if (after_cr_) defects_ |= kDefectBareCr;
}

// --- DataDecoder ---

std::string_view DataDecoder::take(std::string_view& input) {
  if (!take_dot(input)) return {};
  const std::string_view text = input.substr(0, text_run(input));
  if (text.find('\0') != std::string_view::npos) check_.defects_ |= kDefectNul;
  input.remove_prefix(text.size());
  return text;
}

// Deals with a dot at the start of a line and with what was left open behind one. False: the text
// has ended, or the input has.
bool DataDecoder::take_dot(std::string_view& input) {
  if (state_ == State::kEnded || input.empty()) return false;
  if (state_ == State::kText && check_.at_line_start_ && input.front() == '.') {
    input.remove_prefix(1);
    // The stuffed dot is no part of the line; behind it another dot is an ordinary character.
    check_.at_line_start_ = false;
    state_ = State::kDot;
    if (input.empty()) return false;
  }
  if (state_ == State::kDot) {
    state_ = State::kText;
    if (input.front() == '\r') {
      input.remove_prefix(1);
      check_.after_cr_ = true;
      state_ = State::kDotCr;
      if (input.empty()) return false;
    }
  }
  if (state_ == State::kDotCr) {
    if (input.front() == '\n') {
      input.remove_prefix(1);
      state_ = State::kEnded;
      return false;
    }
    // Dot, CR, something else: a bare CR. feed_line() sees after_cr_ and says so.
    state_ = State::kText;
  }
  return true;
}

// The length of the text at the front of `input`, up to a dot at the start of a line.
std::size_t DataDecoder::text_run(std::string_view input) {
  std::size_t run = 0;
  while (run < input.size()) {
    if (check_.at_line_start_ && input[run] == '.') break;
    run += check_.feed_line(input.substr(run));
  }
  return run;
}

// --- Encoding ---

namespace {

constexpr std::string_view kDot = ".";
constexpr std::string_view kEnd = ".\r\n";
constexpr std::string_view kBrokenEnd = "\r\n.\r\n";
constexpr std::string_view kLineEnd = "\r\n";

// Runs up to this long between two stuffed dots are copied: a slice with its own reference would
// weigh as much as the text, and a hostile body is all such runs.
constexpr std::size_t kCopyMax = 256;
constexpr std::size_t kCopiedBlock = 65536;

Chunk static_chunk(std::string_view text) {
  return {nullptr, text};
}

class GatherList {
 public:
  void add_slice(const Chunk& chunk, std::size_t offset, std::size_t length) {
    if (length == 0) return;
    if (length > kCopyMax) {
      flush();
      chunks_.push_back(chunk.slice(offset, length));
    } else {
      copy(chunk.view().substr(offset, length));
    }
  }

  void add(const Chunk& chunk) { add_slice(chunk, 0, chunk.size()); }

  void add_static(std::string_view text) {
    if (copied_.empty()) {
      chunks_.push_back(static_chunk(text));
    } else {
      copy(text);
    }
  }

  std::vector<Chunk> take() {
    flush();
    return std::move(chunks_);
  }

 private:
  void copy(std::string_view text) {
    copied_ += text;
    if (copied_.size() >= kCopiedBlock) flush();
  }

  void flush() {
    if (copied_.empty()) return;
    chunks_.emplace_back(std::move(copied_));
    copied_.clear();
  }

  std::vector<Chunk> chunks_;
  std::string copied_;
};

// Adds `chunk` with a dot before each that starts a line. `line_start`: the text before it ended in
// CRLF.
void stuff(const Chunk& chunk, bool line_start, GatherList& out) {
  const std::string_view text = chunk.view();
  std::size_t begin = 0;
  if (line_start && text.front() == '.') out.add_static(kDot);
  for (;;) {
    const std::size_t found = text.find("\n.", begin);
    if (found == std::string_view::npos) break;
    out.add_slice(chunk, begin, found + 1 - begin);
    out.add_static(kDot);
    begin = found + 1;
  }
  out.add_slice(chunk, begin, text.size() - begin);
}

void stuff(const message::Body& text, TextCheck& check, GatherList& out) {
  for (const Chunk& chunk : text.chunks()) {
    stuff(chunk, check.at_line_start(), out);
    check.feed(chunk.view());
  }
}

bool is_canonical(const TextCheck& check) {
  return (check.defects() & (kDefectBareLf | kDefectBareCr)) == 0;
}

// Text that ends within a line is given the line end that the final dot needs before it.
std::string_view data_end(bool ends_line) {
  return ends_line ? kEnd : kBrokenEnd;
}

// A text is lines: without BINARYMIME it ends with one.
std::string bdat_command(std::uint64_t size, bool ends_line) {
  return "BDAT " + std::to_string(size + (ends_line ? 0 : kLineEnd.size())) + " LAST\r\n";
}

}  // namespace

std::optional<std::vector<Chunk>> encode_data(const message::Body& body) {
  TextCheck check(std::numeric_limits<std::size_t>::max());
  GatherList out;
  stuff(body, check, out);
  check.finish();
  if (!is_canonical(check)) return std::nullopt;
  out.add_static(data_end(check.at_line_start()));
  return out.take();
}

std::optional<std::vector<Chunk>> encode_bdat(const message::Body& body) {
  TextCheck check(std::numeric_limits<std::size_t>::max());
  for (const Chunk& chunk : body.chunks()) check.feed(chunk.view());
  check.finish();
  if (!is_canonical(check)) return std::nullopt;
  std::vector<Chunk> out;
  out.emplace_back(bdat_command(body.size(), check.at_line_start()));
  out.insert(out.end(), body.chunks().begin(), body.chunks().end());
  if (!check.at_line_start()) out.push_back(static_chunk(kLineEnd));
  return out;
}

void TextSurvey::feed(const message::Body& piece) {
  for (const Chunk& chunk : piece.chunks()) {
    check_.feed(chunk.view());
    facts_.seven_bit = facts_.seven_bit && message::is_ascii(chunk.view());
  }
  facts_.size += piece.size();
}

TextFacts TextSurvey::finish() {
  check_.finish();
  facts_.canonical = is_canonical(check_);
  facts_.ends_line = check_.at_line_start();
  return facts_;
}

std::optional<std::vector<Chunk>> TextEncoder::encode(const message::Body& piece) {
  GatherList out;
  if (bdat_ && given_ == 0) out.add(Chunk(bdat_command(facts_.size, facts_.ends_line)));
  if (bdat_) {
    for (const Chunk& chunk : piece.chunks()) {
      out.add(chunk);
      check_.feed(chunk.view());
    }
  } else {
    stuff(piece, check_, out);
  }
  given_ += piece.size();
  if (done()) check_.finish();
  if (given_ > facts_.size || piece.size() == 0 || !is_canonical(check_)) return std::nullopt;
  if (!done()) return out.take();
  if (check_.at_line_start() != facts_.ends_line) return std::nullopt;
  if (!bdat_) out.add_static(data_end(facts_.ends_line));
  if (bdat_ && !facts_.ends_line) out.add_static(kLineEnd);
  return out.take();
}

Chunk lone_dot() {
  return static_chunk(kEnd);
}

}  // namespace postrider::smtp
