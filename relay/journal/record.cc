#include "relay/journal/record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "relay/message/utf8.h"

namespace postrider::journal {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr double kDelayMax = 1e9;                          // seconds; far above any message's life

bool is_plain(char c) {
  return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

// Line ends to readers that go by Unicode: U+0085, U+2028, U+2029. A record is one line to them
// too.
bool is_unicode_line_end(std::string_view character) {
  return character == "\xC2\x85" || character == "\xE2\x80\xA8" || character == "\xE2\x80\xA9";
}

void append_ascii_escape(std::string& out, char c) {
  out += '\\';
  if (c == '"' || c == '\\') {
    out += c;
  } else if (c == '\n') {
    out += 'n';
  } else if (c == '\t') {
    out += 't';
  } else {
    const auto code = static_cast<unsigned char>(c);
    out += "u00";
    out += kHexDigits[code >> 4];
    out += kHexDigits[code & 15];
  }
}

// Appends the first character of `text` as a JSON string holds it; returns its octets.
std::size_t append_special(std::string& out, std::string_view text) {
  const std::size_t length = message::utf8_sequence(text);
  const std::string_view character = text.substr(0, length);
  if (length == 0) {
    out += kReplacement;
    return 1;
  }
  if (length == 1) {
    append_ascii_escape(out, text[0]);
  } else if (is_unicode_line_end(character)) {
    out += character.size() == 2 ? "\\u0085" : (character[2] == '\xA8' ? "\\u2028" : "\\u2029");
  } else {
    out += character;
  }
  return length;
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t i = 0;
  while (i < text.size()) {
    std::size_t plain = i;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out += text.substr(i, plain - i);
    i = plain;
    if (i < text.size()) i += append_special(out, text.substr(i));
  }
  out += '"';
}

void append_number(std::string& out, std::uint64_t value) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

// `key` is one of ours and needs no escape.
void append_key(std::string& out, std::string_view key) {
  out += ",\"";
  out += key;
  out += "\":";
}

void add(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  append_key(out, key);
  append_string(out, value);
}

void add(std::string& out, std::string_view key, std::uint64_t value) {
  if (value == 0) return;
  append_key(out, key);
  append_number(out, value);
}

// Seconds with three decimals. JSON has no NaN; a clock that went back makes no negative delay.
void add_seconds(std::string& out, std::string_view key, double seconds) {
  if (std::isnan(seconds)) return;
  const double bounded = std::min(std::max(seconds, 0.0), kDelayMax);
  const auto milliseconds = static_cast<std::uint64_t>(std::llround(bounded * 1000));
  append_key(out, key);
  append_number(out, milliseconds / 1000);
  const std::uint64_t fraction = milliseconds % 1000;
  out += '.';
  out += static_cast<char>('0' + fraction / 100);
  out += static_cast<char>('0' + fraction / 10 % 10);
  out += static_cast<char>('0' + fraction % 10);
}

void add_priority(std::string& out, std::string_view key, int priority) {
  append_key(out, key);
  if (priority < 0) out += '-';
  append_number(out, static_cast<std::uint64_t>(std::abs(priority)));
}

void add_metadata(std::string& out, const std::vector<message::Metadata>& all) {
  if (all.empty()) return;
  append_key(out, "metadata");
  char before = '{';
  for (const message::Metadata& one : all) {
    out += std::exchange(before, ',');
    append_string(out, one.name);
    out += ':';
    append_string(out, one.value);
  }
  out += '}';
}

void add_envelope(std::string& out, const message::Envelope& envelope) {
  append_key(out, "sender");
  append_string(out, envelope.sender.to_string());
  add(out, "user", envelope.user);
  add(out, "tenant", envelope.tenant);
  add(out, "campaign", envelope.campaign);
  if (envelope.priority != 0) add_priority(out, "priority", envelope.priority);
  add_metadata(out, envelope.metadata);
}

}  // namespace

std::string_view name_of(Event event) {
  switch (event) {
    case Event::kAccepted:
      return "accepted";
    case Event::kDelivered:
      return "delivered";
    case Event::kDeferred:
      return "deferred";
    case Event::kBounced:
      return "bounced";
    case Event::kExpired:
      return "expired";
    case Event::kRemoved:
      return "removed";
  }
  return "unknown";
}

void append_line(std::string& out, const Record& record) {
  out += R"({"time":)";
  append_string(out, to_iso8601(record.time));
  add(out, "event", name_of(record.event));
  add(out, "id", record.id);
  if (record.envelope != nullptr) add_envelope(out, *record.envelope);
  add(out, "recipient", record.recipient);
  add(out, "size", record.size);
  add(out, "client", record.client);
  if (record.asked_priority && *record.asked_priority != record.envelope->priority) {
    add_priority(out, "asked_priority", *record.asked_priority);
  }
  if (record.event == Event::kAccepted && record.envelope != nullptr &&
      !record.envelope->release_request.empty()) {
    add(out, "release", to_iso8601(record.envelope->release));
  }
  add(out, "site", record.site);
  add(out, "host", record.host);
  add(out, "ip", record.ip);
  add(out, "tls", record.tls);
  add(out, "source", record.source);
  if (record.status != nullptr) add(out, "reply", record.status->to_line());
  add(out, "attempts", std::uint64_t{record.attempts});
  if (record.delay_seconds) add_seconds(out, "delay", *record.delay_seconds);
  if (record.next) add(out, "next", to_iso8601(*record.next));
  add(out, "report", record.report);
  out += "}\n";
}

}  // namespace postrider::journal
