#include "relay/message/header_section.h"

#include <algorithm>
#include <utility>

#include "relay/base/ascii.h"

namespace postrider::message {

namespace {

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

// The value of a field: behind its colon, without line ends.
std::string unfolded(std::string_view text) {
  std::string value(text.substr(text.find(':') + 1));
  std::erase_if(value, [](char c) { return c == '\r' || c == '\n'; });
  return std::string(ascii::trim(value));
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
};

// Adds the address to `found`; false: this is none. Nothing at all is fine: lists may have gaps.
bool finish_mailbox(Gathered& mailbox, std::vector<Address>& found) {
  const Gathered done = std::exchange(mailbox, {});
  const std::string_view text = ascii::trim(done.has_angle ? done.angled : done.plain);
  if (!done.has_angle && text.empty()) return true;
  const auto address = parse_mailbox(text, true);
  if (done.in_angle || !address || address->domain.empty() || found.size() == kFromMax) {
    return false;
  }
  found.push_back(*address);
  return true;
}

// One character outside comments and quoted strings.
bool take_character(char c, Gathered& mailbox, std::vector<Address>& found) {
  if (mailbox.in_angle) {
    if (c == '>') {
      mailbox.in_angle = false;
    } else if (c == '<') {
      return false;
    } else {
      mailbox.angled += c;
    }
    return true;
  }
  switch (c) {
    case '<':
      if (mailbox.has_angle) return false;
      mailbox.has_angle = mailbox.in_angle = true;
      return true;
    case '>':
      return false;
    case ',':
    case ';':
      return finish_mailbox(mailbox, found);
    case ':':  // what came before is the name of a group
      if (mailbox.has_angle) return false;
      mailbox = {};
      return true;
    default:
      // Behind the brackets nothing follows but blanks.
      if (mailbox.has_angle && c != ' ' && c != '\t') return false;
      mailbox.plain += c;
      return true;
  }
}

}  // namespace

HeaderSection::HeaderSection(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");
    const std::size_t length = end == std::string_view::npos ? text.size() : end + 2;
    const std::string_view line = text.substr(0, length);
    text.remove_prefix(length);
    if (line == "\r\n") {
      end_ = line;
    } else if ((line.front() == ' ' || line.front() == '\t') && !fields_.empty()) {
      fields_.back().text += line;
    } else {
      fields_.push_back({field_name(line), std::string(line)});
    }
  }
  for (const std::string& value : values("dkim-signature")) note_signature(value);
}

// RFC 6376 section 3.5: "h=" lists the fields, and a name in it covers absent ones too.
void HeaderSection::note_signature(std::string_view value) {
  signed_.insert("dkim-signature");
  for (const std::string_view tag : ascii::split(value, ';')) {
    const std::size_t equals = tag.find('=');
    if (equals == std::string_view::npos || ascii::trim(tag.substr(0, equals)) != "h") continue;
    for (const std::string_view name : ascii::split(tag.substr(equals + 1), ':')) {
      signed_.insert(ascii::lower(ascii::trim(name)));
    }
    return;
  }
  all_signed_ = true;
}

bool HeaderSection::has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [&](const Field& field) { return field.name == name; });
}

std::vector<std::string> HeaderSection::values(std::string_view name) const {
  std::vector<std::string> all;
  for (const Field& field : fields_) {
    if (field.name == name) all.push_back(unfolded(field.text));
  }
  return all;
}

bool HeaderSection::is_signed(std::string_view name) const {
  return all_signed_ || signed_.contains(name);
}

void HeaderSection::remove(std::string_view name) {
  if (is_signed(name)) return;
  std::erase_if(fields_, [&](const Field& field) { return field.name == name; });
}

bool HeaderSection::add(std::string_view name, std::string_view value) {
  const std::string lower = ascii::lower(name);
  if (is_signed(lower)) return false;
  std::string text = std::string(name) + ": " + std::string(value) + "\r\n";
  fields_.insert(fields_.begin(), {lower, std::move(text)});
  return true;
}

std::string HeaderSection::to_string() const {
  std::string text;
  for (const Field& field : fields_) text += field.text;
  return text + end_;
}

std::vector<Address> from_addresses(std::string_view value) {
  std::vector<Address> found;
  Gathered mailbox;
  while (!value.empty()) {
    bool good = true;
    if (value.front() == '(') {
      good = skip_comment(value);
    } else if (value.front() == '"') {
      good = take_quoted(value, mailbox.in_angle ? mailbox.angled : mailbox.plain);
    } else {
      good = take_character(value.front(), mailbox, found);
      value.remove_prefix(1);
    }
    if (!good) return {};
  }
  if (!finish_mailbox(mailbox, found)) return {};
  return found;
}

}  // namespace postrider::message
