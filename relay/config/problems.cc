#include "relay/config/problems.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace postrider::config {

void ProblemList::add(unsigned line, std::string what) {
  if (entries_.size() == kProblemsMax) {
    ++dropped_;
    return;
  }
  entries_.push_back({line, std::move(what)});
}

void ProblemList::add(const Lines& lines, const std::string& name, const std::string& text) {
  if (has_bad_value(name)) return;
  auto found = lines.find(name);
  if (found == lines.end()) found = lines.find(name.substr(0, name.find('.')));
  add(found == lines.end() ? 0 : found->second, without_index(name) + ": " + text);
}

void ProblemList::add_bad_value(const Lines& lines, const std::string& name,
                                const std::string& text) {
  add(lines, name, text);
  bad_.insert(name);
}

std::vector<Problem> ProblemList::take() {
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.line < b.line; });
  std::vector<Problem> problems;
  for (Entry& entry : entries_) {
    const std::string where = entry.line == 0 ? file_ : fmt::format("{}:{}", file_, entry.line);
    problems.push_back({where, std::move(entry.what)});
  }
  if (dropped_ > 0) problems.push_back({file_, fmt::format("and {} more problems", dropped_)});
  entries_.clear();
  return problems;
}

std::string without_index(const std::string& name) {
  const std::size_t open = name.find('[');
  if (open == std::string::npos) return name;
  return name.substr(0, open) + name.substr(name.find(']', open) + 1);
}

}  // namespace postrider::config
