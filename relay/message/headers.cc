#include "relay/message/headers.h"

#include <algorithm>

#include "relay/base/ascii.h"
#include "relay/message/address.h"

namespace postrider::message {

namespace {

constexpr std::size_t kFoldColumn = 78;  // RFC 5322 section 2.1.1
constexpr std::size_t kWordMax = 255;    // of a value from outside in a trace field

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// `text` with every character but those of host names, and those in `extra`, as '?'.
std::string only_name_characters(std::string_view text, std::string_view extra) {
  std::string out(text.substr(0, kWordMax));
  std::replace_if(
      out.begin(), out.end(),
      [&](char c) {
        return !ascii::is_alpha(c) && !ascii::is_digit(c) && c != '.' && c != '-' && c != '_' &&
               extra.find(c) == std::string_view::npos;
      },
      '?');
  return out;
}

std::string address_literal(const IpAddress& ip) {
  return (ip.is_v4() ? "[" : "[IPv6:") + ip.to_string() + "]";
}

// What stands behind "from" (RFC 5321 section 4.4): a domain or a literal, whatever was said.
std::string from_domain(std::string_view helo, const IpAddress& client) {
  if (helo.empty()) return address_literal(client);
  if (parse_address_literal(helo)) return std::string(helo);
  return only_name_characters(helo, "");
}

// A header field that grows by words; a word that would pass the fold column starts a new line.
// The first stays beside the name, however long: a line of a name alone confuses some readers.
class FoldedField {
 public:
  explicit FoldedField(std::string_view name) : text_(name) {}

  FoldedField& word(std::string_view word) {
    if (!first_ && text_.size() - line_start_ + 1 + word.size() > kFoldColumn) {
      text_ += "\r\n";
      line_start_ = text_.size();
    }
    first_ = false;
    text_ += ' ';
    text_ += word;
    return *this;
  }

  std::string finish() && {
    text_ += "\r\n";
    return std::move(text_);
  }

 private:
  std::string text_;
  std::size_t line_start_ = 0;
  bool first_ = true;
};

}  // namespace

bool HeaderScan::feed(std::string_view bytes) {
  std::size_t i = 0;
  while (i < bytes.size() && !ended_) {
    if (in_name_) {
      take_name_character(bytes[i]);
      previous_ = bytes[i];
      ++line_size_;
      ++i;
      continue;
    }
    const std::size_t found = bytes.find('\n', i);
    const std::size_t end = found == std::string_view::npos ? bytes.size() : found + 1;
    line_size_ += end - i;
    const char before = end - i >= 2 ? bytes[end - 2] : previous_;
    previous_ = bytes[end - 1];
    if (previous_ == '\n' && before == '\r') end_of_line();
    i = end;
  }
  size_ += i;
  return !ended_;
}

// In a name only what a name may hold keeps it one; CR, too, ends the search, so that every line
// end is met in one place, outside of names.
void HeaderScan::take_name_character(char c) {
  if (c == ':') {
    match_name();
    in_name_ = false;
  } else if (is_blank(c)) {
    // A blank first makes the line a continuation; blanks before the colon are RFC 5322 section
    // 4.5.
    if (line_size_ == 0) in_name_ = false;
    if (!name_.empty() && name_.back() != ' ') name_ += ' ';
  } else if (c > ' ' && c <= '~' && name_.size() < kNameMax) {
    name_ += ascii::to_lower(c);
  } else {
    in_name_ = false;
  }
}

void HeaderScan::match_name() {
  if (name_.ends_with(' ')) name_.pop_back();
  if (name_ == "received") ++received_count_;
  if (name_ == "date") has_date_ = true;
  if (name_ == "message-id") has_message_id_ = true;
  if (name_ == "from") has_from_ = true;
}

void HeaderScan::end_of_line() {
  ended_ = line_size_ == 2;
  line_size_ = 0;
  in_name_ = true;
  name_.clear();
}

std::string received_field(const TraceFacts& facts) {
  FoldedField field("Received:");
  field.word("from " + from_domain(facts.helo, facts.client))
      .word("(" + address_literal(facts.client) + ")")
      .word("by " + only_name_characters(facts.by, ""))
      .word("with " + only_name_characters(facts.protocol, ""));
  // A comment, since RFC 5321 section 4.4 has no clause for it.
  if (!facts.tls.empty()) field.word("(" + only_name_characters(facts.tls, " ") + ")");
  // RFC 6710 section 7 has a clause for it, behind the others.
  const std::string priority =
      facts.priority == 0 ? "" : " PRIORITY " + std::to_string(facts.priority);
  field.word("id " + only_name_characters(facts.id, "") + priority + ";")
      .word(to_rfc5322(facts.when));
  return std::move(field).finish();
}

std::string header_section(const Body& body, std::size_t limit) {
  std::string text;
  HeaderScan scan;
  bool whole = true;
  for (const Chunk& chunk : body.chunks()) {
    if (scan.ended()) break;
    const std::size_t room = limit - text.size();
    const std::string_view bytes = chunk.view().substr(0, room);
    const std::size_t before = scan.size();
    scan.feed(bytes);
    text += bytes.substr(0, scan.size() - before);
    whole = bytes.size() == chunk.size();
    if (!whole) break;
  }
  if (scan.ended() || whole) return text;
  const std::size_t end = text.rfind("\r\n");
  text.resize(end == std::string::npos ? 0 : end + 2);
  return text;
}

}  // namespace postrider::message
