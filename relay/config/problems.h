// ProblemList: gathers the mistakes of one file, in the order of its lines. Private to config.
// Thread: one owner.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "relay/config/config.h"

namespace postrider::config {

class ProblemList {
 public:
  // What a person reads; more are only counted.
  static constexpr std::size_t kProblemsMax = 100;

  explicit ProblemList(std::string file) : file_(std::move(file)) {}

  // Line 0: the file as a whole.
  void add(unsigned line, std::string what);
  // The line that set `name`, or that opened the entry it belongs to ("listener[0]"). Dropped when
  // the value of `name` is known to be bad: what follows from a value that was not used misleads.
  void add(const Lines& lines, const std::string& name, const std::string& text);
  // As add(), for a value that could not be used.
  void add_bad_value(const Lines& lines, const std::string& name, const std::string& text);

  [[nodiscard]] bool has_bad_value(const std::string& name) const { return bad_.contains(name); }

  [[nodiscard]] std::vector<Problem> take();

 private:
  struct Entry {
    unsigned line;
    std::string what;
  };

  std::string file_;
  std::vector<Entry> entries_;
  std::set<std::string> bad_;
  std::size_t dropped_ = 0;
};

// The name of an option as problems show it: "listener[0].address" is "listener.address", the line
// tells which.
std::string without_index(const std::string& name);

}  // namespace postrider::config
