// A small language for tests of the loader: texts in, "line: what" out. Thread: pure functions.
#pragma once

#include <string>
#include <vector>

#include "relay/config/config.h"

namespace postrider::config {

// What every good configuration needs. Stands behind the text of a case, whose lines thus count
// from 1.
inline constexpr const char* kRest = R"(
[server]
host_name = "relay.example.com"
[tls]
certificate = "/c.pem"
key = "/k.pem"
[[listener]]
address = "127.0.0.1:587"
)";

inline Result<std::string> no_host_name() {
  return failure("the system has no name");
}

inline LoadResult load(const std::string& text) {
  return load_text(text, "t", no_host_name);
}

// The problems, as "3: what" or "file: what".
inline std::vector<std::string> problems_of(const std::string& text) {
  std::vector<std::string> found;
  for (const Problem& problem : load(text).problems) {
    const std::size_t colon = problem.where.find(':');
    const std::string line = colon == std::string::npos ? "file" : problem.where.substr(colon + 1);
    found.push_back(line + ": " + problem.what);
  }
  return found;
}

}  // namespace postrider::config
