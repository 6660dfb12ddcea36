#include "relay/submission/metadata.h"

#include <algorithm>
#include <set>

#include "relay/base/ascii.h"
#include "relay/message/utf8.h"
#include "relay/submission/header_check.h"

namespace postrider::submission {

namespace {

bool matches(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return ascii::iequals(pattern, name);
    return ascii::istarts_with(name, pattern.substr(0, pattern.size() - 1));
  });
}

// A denial: a line is no field, but begins as one that is to be moved, and would leave with the
// text.
std::optional<Denied> check_lines(const std::vector<std::string>& patterns,
                                  const message::HeaderSection& header) {
  std::ptrdiff_t line = 1;
  for (const auto& field : header.fields()) {
    const auto is_beginning = [&](std::string_view pattern) {
      return ascii::istarts_with(field.text, pattern.substr(0, pattern.find('*')));
    };
    if (field.name.empty() && std::ranges::any_of(patterns, is_beginning)) {
      return bad_line(line, "is no field", field.text);
    }
    line += std::count(field.text.begin(), field.text.end(), '\n');
  }
  return std::nullopt;
}

// As the journal writes it: in quotes, with two characters more for each pair, where a quote or a
// backslash takes two.
std::size_t journal_size(const std::vector<message::Metadata>& metadata) {
  std::size_t size = 0;
  for (const message::Metadata& one : metadata) {
    for (const std::string_view text : {std::string_view(one.name), std::string_view(one.value)}) {
      const auto escaped =
          std::count_if(text.begin(), text.end(), [](char c) { return c == '"' || c == '\\'; });
      size += text.size() + static_cast<std::size_t>(escaped) + 3;
    }
  }
  return size;
}

}  // namespace

std::string printable_utf8(std::string_view text, std::size_t limit) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = message::utf8_sequence(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(length, 1));
    const bool good = length > 0 && !message::has_control(character);
    if (out.size() + (good ? character.size() : 1) > limit) break;
    good ? out += character : out += '?';
    text.remove_prefix(character.size());
  }
  return out;
}

std::optional<Denied> take_metadata(const std::vector<std::string>& patterns,
                                    message::HeaderSection& header, message::Envelope& envelope) {
  if (patterns.empty()) return std::nullopt;
  if (auto denied = check_lines(patterns, header)) return denied;
  std::set<std::string> names;
  for (const auto& field : header.fields()) {
    if (matches(patterns, field.name)) names.insert(field.name);
  }
  if (names.size() > message::kMetadataMax) {
    return Denied{"metadata",
                  {554,
                   {5, 6, 0},
                   "More than " + std::to_string(message::kMetadataMax) +
                       " header fields for the journal (submission.metadata_headers)"}};
  }
  for (const std::string& name : names) {
    if (name.size() > message::kMetadataNameMax) {
      return Denied{"metadata",
                    {554,
                     {5, 6, 0},
                     "The name of a header field for the journal is longer than " +
                         std::to_string(message::kMetadataNameMax) + " octets"}};
    }
    if (header.is_signed(name)) {
      return signed_field("metadata", name, "the journal");
    }
    std::string all;
    for (const std::string& value : header.values(name)) {
      all += all.empty() ? value : ", " + value;
    }
    envelope.metadata.push_back({name, printable_utf8(all, message::kMetadataValueMax)});
    header.remove(name);
  }
  return std::nullopt;
}

std::optional<Denied> metadata_lines_denial(const std::vector<message::Metadata>& metadata,
                                            std::size_t recipients) {
  const std::size_t size = journal_size(metadata);
  if (size * recipients <= kMetadataLinesMax) return std::nullopt;
  return Denied{"metadata",
                {554,
                 {5, 6, 0},
                 "The header fields for the journal are too large for " +
                     std::to_string(recipients) + " recipients; send to at most " +
                     std::to_string(kMetadataLinesMax / size) + " at a time"}};
}

}  // namespace postrider::submission
