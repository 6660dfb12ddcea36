// Transcripts of SMTP dialogs: tests/dialogs/*.smtp, whose form README.md describes. Reading only;
// the players give them their meaning.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/result.h"

namespace postrider::dialogs {

enum class LineKind {
  kClient,     // C: a line of the client
  kClientRaw,  // C< bytes of the client without a line end
  kServer,     // S:
  kServerRaw,  // S<
  kMessage,    // M: a message that was accepted
  kResult,     // R: what the client session reports
  kText,       // | a line of a message
  kDirective,  // WORD arguments
};

struct Line {
  int number = 0;
  LineKind kind = LineKind::kDirective;
  std::string text;
};

struct Exchange {
  std::string file;
  std::string title;
  std::multimap<std::string, std::string> settings;  // "listener" -> "trusted"
  std::vector<Line> lines;

  // The last value given, or `fallback`.
  [[nodiscard]] std::string setting(const std::string& name, const std::string& fallback) const;
};

Result<std::vector<Exchange>> read_transcript(const std::string& path);

// `text` with \r, \n, \0, \\, \xHH and \{count:text} replaced by what they stand for.
std::string unescape(std::string_view text);

// `*` in `pattern` stands for any characters, all else for itself.
bool glob_match(std::string_view pattern, std::string_view text);

// The whole lines at the front of `bytes`, without their CRLFs; they are taken away. nullopt: a
// bare CR or LF stands there, which no dialog may show.
std::optional<std::vector<std::string>> take_lines(std::string& bytes);

}  // namespace postrider::dialogs
