#include "relay/smtp/reply.h"

#include <algorithm>
#include <optional>

#include "relay/base/ascii.h"

namespace postrider::smtp {

namespace {

using message::EnhancedCode;
using message::Status;

// RFC 5321 section 4.5.3.1.5, without the CRLF.
constexpr std::size_t kReplyLineMax = 510;

void append_printable(std::string& out, std::string_view text) {
  for (const char c : text) out += c >= 32 && c < 127 ? c : '?';
}

void append_lines(std::string& out, int code, std::string_view enhanced, std::string_view text) {
  const std::string digits = std::to_string(code);
  for (;;) {
    const std::size_t end = text.find('\n');
    const bool last = end == std::string_view::npos;
    const std::size_t begin = out.size();
    out += digits;
    out += last ? ' ' : '-';
    if (!enhanced.empty()) {
      out += enhanced;
      out += ' ';
    }
    const std::size_t room = kReplyLineMax - (out.size() - begin);
    append_printable(out, text.substr(0, std::min(end, room)));
    out += "\r\n";
    if (last) return;
    text.remove_prefix(end + 1);
  }
}

// "5.1.1" at the front of `line`, if it is of the class of `code`.
std::optional<EnhancedCode> leading_enhanced_code(std::string_view line, int code) {
  const std::string_view word = line.substr(0, line.find(' '));
  const std::optional<EnhancedCode> enhanced = EnhancedCode::parse(word);
  if (!enhanced || enhanced->cls != code / 100) return std::nullopt;
  return enhanced;
}

}  // namespace

void append_reply(std::string& out, const Status& status) {
  const int cls = status.code / 100;
  if (cls != 2 && cls != 4 && cls != 5) {
    append_lines(out, status.code, "", status.text);
    return;
  }
  EnhancedCode enhanced = status.enhanced;
  enhanced.cls = static_cast<std::uint8_t>(cls);
  append_lines(out, status.code, enhanced.to_string(), status.text);
}

void append_plain_reply(std::string& out, int code, std::string_view text) {
  append_lines(out, code, "", text);
}

void append_challenge(std::string& out, std::string_view challenge) {
  out += "334 " + ascii::base64_encode(challenge) + "\r\n";
}

ReplyVerdict ReplyParser::read(std::string_view& input) {
  if (complete_) {
    text_.clear();
    lines_ = 0;
    code_ = 0;
    complete_ = false;
  }
  while (!input.empty()) {
    const std::size_t line_feed = input.find('\n');
    const std::string_view piece = input.substr(0, line_feed);
    if (line_.size() + piece.size() > line_max_) return ReplyVerdict::kTooLong;
    line_ += piece;
    if (line_feed == std::string_view::npos) {
      input = {};
      return ReplyVerdict::kIncomplete;
    }
    input.remove_prefix(line_feed + 1);
    const ReplyVerdict verdict = end_of_line();
    if (verdict != ReplyVerdict::kIncomplete) return verdict;
  }
  return ReplyVerdict::kIncomplete;
}

ReplyVerdict ReplyParser::end_of_line() {
  std::string_view line = line_;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !ascii::is_digit(line[1]) ||
      !ascii::is_digit(line[2])) {
    return ReplyVerdict::kMalformed;
  }
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  const char separator = line.size() > 3 ? line[3] : ' ';
  if (separator != ' ' && separator != '-') return ReplyVerdict::kMalformed;
  if (lines_ > 0 && code != code_) return ReplyVerdict::kMalformed;
  if (++lines_ > lines_max_) return ReplyVerdict::kTooLong;
  if (lines_ > 1) text_ += '\n';
  for (const char c : line.substr(std::min<std::size_t>(line.size(), 4))) {
    text_ += c == '\r' || c == '\0' ? '?' : c;
  }
  line_.clear();
  code_ = code;
  complete_ = separator == ' ';
  return complete_ ? ReplyVerdict::kComplete : ReplyVerdict::kIncomplete;
}

Status ReplyParser::status() const {
  Status status;
  status.code = code_;
  std::string_view rest = text_;
  for (bool first = true;; first = false) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    if (const auto enhanced = leading_enhanced_code(line, code_)) {
      if (first) status.enhanced = *enhanced;
      line.remove_prefix(std::min(line.size(), line.find(' ')));
      if (!line.empty()) line.remove_prefix(1);
    }
    if (!first) status.text += '\n';
    status.text += line.substr(0, message::kStatusTextMax - status.text.size());
    if (end == std::string_view::npos || status.text.size() == message::kStatusTextMax)
      return status;
    rest.remove_prefix(end + 1);
  }
}

}  // namespace postrider::smtp
