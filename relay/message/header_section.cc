#include "relay/message/header_section.h"

#include <algorithm>
#include <map>
#include <utility>

#include "relay/base/ascii.h"
#include "relay/message/utf8.h"

namespace postrider::message {

namespace {

// Tags that every DKIM signature has (RFC 6376 section 3.5).
constexpr std::string_view kSignatureTags[] = {"v", "a", "b", "bh", "d", "h", "s"};
// Addresses in one From field that are looked at.
constexpr std::size_t kFromMax = 100;
constexpr std::size_t kCommentDepthMax = 16;

// The name of the field that begins `line`, in lower case; "": it is none.
std::string field_name(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  std::string_view name = line.substr(0, colon);
  // RFC 5322 section 4.5: blanks before the colon were allowed once, and readers still see a field.
  while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
  const bool good = !name.empty() && std::all_of(name.begin(), name.end(),
                                                 [](char c) { return c > ' ' && c <= '~'; });
  return good ? ascii::lower(name) : std::string();
}

// A line and its end, taken off the front of `text`, which is not empty.
std::string_view take_header_line(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  const std::string_view line = text.substr(0, end == std::string_view::npos ? end : end + 2);
  text.remove_prefix(line.size());
  return line;
}

// Whether the line goes on with the field before it.
bool is_folded(std::string_view line) {
  return line.front() == ' ' || line.front() == '\t';
}

// The value of a field: behind its colon, without line ends.
std::string unfolded(std::string_view text) {
  std::string value(text.substr(text.find(':') + 1));
  std::erase_if(value, [](char c) { return c == '\r' || c == '\n'; });
  return std::string(ascii::trim(value));
}

// The tags of a DKIM-Signature; none where it cannot be verified: one that has to be there is not,
// one stands twice (RFC 6376 section 3.2), or it is of another version.
std::map<std::string_view, std::string_view> signature_tags(std::string_view value) {
  std::map<std::string_view, std::string_view> tags;
  for (const std::string_view tag : ascii::split(value, ';')) {
    const std::size_t equals = tag.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = ascii::trim(tag.substr(0, equals));
    if (!tags.emplace(name, ascii::trim(tag.substr(equals + 1))).second) return {};
  }
  for (const std::string_view name : kSignatureTags) {
    const auto found = tags.find(name);
    if (found == tags.end() || found->second.empty()) return {};
  }
  if (tags.at("v") != "1") return {};
  return tags;
}

// Takes a comment or a quoted string off the front of `text`; false: it does not end.
bool skip_comment(std::string_view& text) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '(') {
      if (++depth > kCommentDepthMax) return false;
    } else if (text[i] == ')' && --depth == 0) {
      text.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

bool take_quoted(std::string_view& text, std::string& into) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      into += text.substr(0, i + 1);
      text.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

// One mailbox as it is gathered: what stands in angle brackets, or else all of it.
struct Gathered {
  std::string plain;
  std::string angled;
  bool in_angle = false;
  bool has_angle = false;
  bool has_at = false;  // in `plain`, outside of quotes
};

// A From field as it is read.
struct Reading {
  bool utf8;
  Gathered mailbox = {};
  bool in_group = false;
  Authors found = {};
};

// One address; nullopt: it is none. A local part that looks like an encoded word (RFC 2047) is
// decoded by some readers, and out of a quoted one with an "@" some take what looks like an
// address: they then see another one.
std::optional<Address> take_address(std::string_view text, Reading& reading) {
  auto address = parse_mailbox(ascii::trim(text), reading.utf8);
  if (!address || address->domain.empty()) return std::nullopt;
  const bool is_quoted = address->local.starts_with('"');
  if (address->local.find(is_quoted ? "@" : "=?") != std::string::npos) {
    reading.found.doubtful = true;
  }
  return std::move(*address);
}

// Adds the address to those found; false: this is none. Nothing at all is fine: lists may have
// gaps.
bool finish_mailbox(Reading& reading) {
  const Gathered done = std::exchange(reading.mailbox, {});
  if (!done.has_angle && ascii::trim(done.plain).empty()) return true;
  const auto address = take_address(done.has_angle ? done.angled : done.plain, reading);
  if (done.in_angle || !address || reading.found.addresses.size() == kFromMax) return false;
  reading.found.addresses.push_back(*address);
  return true;
}

// What came before is the name of a mailbox.
bool begin_angle(Reading& reading) {
  Gathered& mailbox = reading.mailbox;
  if (mailbox.has_angle) return false;
  mailbox.has_angle = mailbox.in_angle = true;
  if (!mailbox.has_at) return true;
  if (const auto address = take_address(mailbox.plain, reading)) {
    reading.found.shown.push_back(*address);
  } else {
    reading.found.doubtful = true;
  }
  return true;
}

// What came before is the name of a group.
bool begin_group(Reading& reading) {
  if (reading.mailbox.has_angle) return false;
  if (reading.in_group || reading.mailbox.has_at) reading.found.doubtful = true;
  reading.in_group = true;
  reading.mailbox = {};
  return true;
}

bool take_in_angle(char c, Gathered& mailbox) {
  if (c == '<') return false;
  if (c == '>') {
    mailbox.in_angle = false;
  } else {
    mailbox.angled += c;
  }
  return true;
}

// One character outside comments and quoted strings.
bool take_character(char c, Reading& reading) {
  Gathered& mailbox = reading.mailbox;
  if (c == '\\' || (has_control({&c, 1}) && c != '\t')) reading.found.doubtful = true;
  if (mailbox.in_angle) return take_in_angle(c, mailbox);
  switch (c) {
    case '<':
      return begin_angle(reading);
    case '>':
      return false;
    case ';':
      reading.in_group = false;
      return finish_mailbox(reading);
    case ',':
      return finish_mailbox(reading);
    case ':':
      return begin_group(reading);
    default:
      // Behind the brackets nothing follows but blanks.
      if (mailbox.has_angle && c != ' ' && c != '\t') return false;
      if (c == '@') mailbox.has_at = true;
      mailbox.plain += c;
      return true;
  }
}

// Takes a comment, a quoted string or one character off the front of `text`.
bool take_part(std::string_view& text, Reading& reading) {
  Gathered& mailbox = reading.mailbox;
  if (text.front() == '(') {
    if (mailbox.in_angle) reading.found.doubtful = true;
    mailbox.plain += ' ';  // RFC 5322 section 3.2.3: an atom ends at a comment
    return skip_comment(text);
  }
  if (text.front() == '"') {
    return take_quoted(text, mailbox.in_angle ? mailbox.angled : mailbox.plain);
  }
  const char c = text.front();
  text.remove_prefix(1);
  return take_character(c, reading);
}

}  // namespace

HeaderSection::Parts HeaderSection::take_apart(std::string_view text) {
  Parts parts;
  while (!text.empty()) {
    const std::string_view line = take_header_line(text);
    if (line == "\r\n") {
      parts.end = line;
    } else if (is_folded(line) && !parts.fields.empty()) {
      parts.fields.back().text += line;
    } else {
      parts.fields.push_back({field_name(line), std::string(line)});
    }
  }
  for (const Field& field : parts.fields) {
    if (field.name == "dkim-signature") note_signature(parts, unfolded(field.text));
  }
  return parts;
}

// RFC 6376 section 3.5: "h=" lists the fields, From among them, and a name in it covers absent ones
// too. Where nobody can verify the signature nothing needs to stay as it is.
void HeaderSection::note_signature(Parts& parts, std::string_view value) {
  const std::map<std::string_view, std::string_view> tags = signature_tags(value);
  if (tags.empty()) return;
  std::set<std::string, std::less<>> names;
  for (const std::string_view name : ascii::split(tags.at("h"), ':')) {
    names.insert(ascii::lower(ascii::trim(name)));
  }
  if (!names.contains("from")) return;
  parts.covered.insert("dkim-signature");
  parts.covered.merge(names);
}

const HeaderSection::Parts& HeaderSection::parts() const {
  if (!parts_) parts_ = take_apart(text_);
  return *parts_;
}

HeaderSection::Parts& HeaderSection::parts_to_change() {
  static_cast<void>(parts());
  changed_ = true;
  return *parts_;
}

std::size_t HeaderSection::size() const {
  if (parts_) return parts_->fields.size();
  std::size_t count = 0;
  for (std::string_view text = text_; !text.empty();) {
    const std::string_view line = take_header_line(text);
    if (line != "\r\n" && (count == 0 || !is_folded(line))) ++count;
  }
  return count;
}

bool HeaderSection::begins_folded() const {
  if (!parts_) return !text_.empty() && is_folded(text_);
  return !parts_->fields.empty() && is_folded(parts_->fields.front().text);
}

bool HeaderSection::has(std::string_view name) const {
  const auto& fields = parts().fields;
  return std::any_of(fields.begin(), fields.end(),
                     [&](const Field& field) { return field.name == name; });
}

std::vector<std::string> HeaderSection::values(std::string_view name) const {
  std::vector<std::string> all;
  for (const Field& field : parts().fields) {
    if (field.name == name) all.push_back(unfolded(field.text));
  }
  return all;
}

bool HeaderSection::is_signed(std::string_view name) const {
  return parts().covered.contains(name);
}

void HeaderSection::remove(std::string_view name) {
  if (!has(name) || is_signed(name)) return;
  std::erase_if(parts_to_change().fields, [&](const Field& field) { return field.name == name; });
}

bool HeaderSection::add(std::string_view name, std::string_view value) {
  const std::string lower = ascii::lower(name);
  if (is_signed(lower)) return false;
  std::string text = std::string(name) + ": " + std::string(value) + "\r\n";
  auto& fields = parts_to_change().fields;
  fields.insert(fields.begin(), {lower, std::move(text)});
  return true;
}

std::string HeaderSection::to_string() const {
  if (!changed_) return text_;
  std::string text;
  for (const Field& field : parts_->fields) text += field.text;
  return text + parts_->end;
}

Authors parse_authors(std::string_view value, bool utf8) {
  Reading reading{utf8};
  while (!value.empty()) {
    if (!take_part(value, reading)) return {};
  }
  if (!finish_mailbox(reading)) return {};
  return std::move(reading.found);
}

}  // namespace postrider::message
