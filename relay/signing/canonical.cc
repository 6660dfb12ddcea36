#include "relay/signing/canonical.h"

#include <algorithm>
#include <array>
#include <utility>

#include "relay/base/ascii.h"

namespace postrider::signing {

namespace {

constexpr std::string_view kLineEnd = "\r\n";

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// What ends a run of content: in the relaxed form blanks too.
constexpr std::array<bool, 256> kEndsRun = [] {
  std::array<bool, 256> ends{};
  for (const unsigned char c : {' ', '\t', '\r'}) ends[c] = true;
  return ends;
}();

// Content, and single spaces within it, which are as they should be: most of a text in one run.
std::size_t run_length(std::string_view bytes) {
  const auto ends = [&](std::size_t i) { return kEndsRun[static_cast<unsigned char>(bytes[i])]; };
  std::size_t length = 0;
  while (length < bytes.size()) {
    if (!ends(length)) {
      ++length;
    } else if (length > 0 && bytes[length] == ' ' && length + 1 < bytes.size() &&
               !ends(length + 1)) {
      length += 2;
    } else {
      break;
    }
  }
  return length;
}

// RFC 6376 section 3.4.2: unfolded, each run of blanks one space, none at the ends of the value.
void append_relaxed_value(std::string& out, std::string_view value) {
  bool blank = false;
  bool any = false;
  for (const char c : value) {
    if (c == '\r' || c == '\n') continue;  // of folding: a blank stands behind it
    if (is_blank(c)) {
      blank = true;
      continue;
    }
    if (blank && any) out += ' ';
    blank = false;
    any = true;
    out += c;
  }
}

}  // namespace

std::string_view name_of(Canonical form) {
  return form == Canonical::kRelaxed ? "relaxed" : "simple";
}

void append_field(std::string& out, Canonical form, std::string_view field) {
  if (field.ends_with(kLineEnd)) field.remove_suffix(kLineEnd.size());
  if (form == Canonical::kSimple) {
    out += field;
  } else {
    const std::size_t colon = std::min(field.find(':'), field.size());
    out += ascii::lower(ascii::trim(field.substr(0, colon)));
    out += ':';
    if (colon < field.size()) append_relaxed_value(out, field.substr(colon + 1));
  }
  out += kLineEnd;
}

BodyForm::BodyForm(Canonical form, Sink sink) : form_(form), sink_(std::move(sink)) {
  part_.reserve(kPartSize);
}

void BodyForm::feed(std::string_view bytes) {
  form_ == Canonical::kRelaxed ? feed_relaxed(bytes) : feed_simple(bytes);
}

bool BodyForm::take_line_end(std::string_view& bytes) {
  if (!std::exchange(return_, false)) return false;
  if (bytes.front() != '\n') {
    put_content("\r");
    return false;
  }
  bytes.remove_prefix(1);
  ++line_ends_;
  blank_ = false;  // at the end of a line: ignored
  return true;
}

void BodyForm::feed_relaxed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (take_line_end(bytes)) continue;
    const std::size_t length = run_length(bytes);
    if (length > 0) {
      put_content(bytes.substr(0, length));
      bytes.remove_prefix(length);
    } else {
      return_ = bytes.front() == '\r';
      blank_ = blank_ || !return_;
      bytes.remove_prefix(1);
    }
  }
}

void BodyForm::feed_simple(std::string_view bytes) {
  while (!bytes.empty()) {
    if (take_line_end(bytes)) continue;
    const std::size_t length = std::min(bytes.find('\r'), bytes.size());
    if (length > 0) put_content(bytes.substr(0, length));
    bytes.remove_prefix(length);
    if (bytes.empty()) return;
    return_ = true;
    bytes.remove_prefix(1);
  }
}

void BodyForm::put_content(std::string_view run) {
  for (; line_ends_ > 0; --line_ends_) put(kLineEnd);
  if (std::exchange(blank_, false)) put(" ");
  has_content_ = true;
  put(run);
}

void BodyForm::put(std::string_view run) {
  if (part_.size() + run.size() > kPartSize) flush();
  if (run.size() > kPartSize) return sink_(run);
  part_ += run;
}

void BodyForm::flush() {
  if (!part_.empty()) sink_(part_);
  part_.clear();
}

// RFC 6376 sections 3.4.3 and 3.4.4: the empty lines at the end go, a last line without its end
// gets one; of a body without content the simple form is one line end, the relaxed form nothing.
void BodyForm::finish() {
  if (std::exchange(return_, false)) put_content("\r");
  if (has_content_ || form_ == Canonical::kSimple) put(kLineEnd);
  flush();
}

}  // namespace postrider::signing
