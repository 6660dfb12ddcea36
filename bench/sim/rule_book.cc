#include "bench/sim/rule_book.h"

#include <algorithm>
#include <utility>

#include "relay/base/ascii.h"

namespace postrider::bench {

Result<RuleBook> RuleBook::build(std::vector<RuleLine> lines) {
  RuleBook book;
  for (RuleLine& line : lines) {
    Entry entry;
    entry.rule = std::make_shared<const DomainRule>(std::move(line.rule));
    book.entries_.push_back(std::move(entry));
    for (const NamePattern& pattern : line.names) book.index(book.entries_.size() - 1, pattern);
  }
  if (book.entries_.empty()) return failure("no simulated domain was given");
  for (const Entry& entry : book.entries_) {
    if (!entry.rule->listen) continue;
    for (const IpAddress& address : entry.rule->mx) {
      const auto& known = book.addresses_;
      if (std::find(known.begin(), known.end(), address) == known.end()) {
        book.addresses_.push_back(address);
      }
    }
  }
  book.map_addresses();
  return book;
}

void RuleBook::index(std::size_t entry, const NamePattern& pattern) {
  std::string& first = entries_[entry].first_domain;
  entries_[entry].patterns.push_back(pattern.text());
  switch (pattern.kind()) {
    case NamePattern::Kind::kAny:
      any_ = entry;
      break;
    case NamePattern::Kind::kBelow:
      below_[pattern.suffix()] = entry;
      if (first.empty()) first = pattern.suffix();
      break;
    default:
      for (std::string& name : pattern.expand()) {
        if (first.empty()) first = name;
        exact_[std::move(name)] = entry;
      }
  }
}

void RuleBook::map_addresses() {
  by_address_.clear();
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    for (const IpAddress& address : entries_[i].rule->mx) by_address_.emplace(address, i);
  }
}

std::optional<std::size_t> RuleBook::find_entry(std::string_view domain) const {
  if (const auto found = exact_.find(domain); found != exact_.end()) return found->second;
  for (std::size_t dot = domain.find('.'); dot != domain.npos; dot = domain.find('.')) {
    domain.remove_prefix(dot + 1);
    if (const auto found = below_.find(domain); found != below_.end()) return found->second;
  }
  return any_;
}

const DomainRule* RuleBook::find(std::string_view domain) const {
  const auto entry = find_entry(domain);
  return entry ? entries_[*entry].rule.get() : nullptr;
}

std::optional<RuleBook::Host> RuleBook::find_host(std::string_view name) const {
  const std::size_t dot = name.find('.');
  if (dot == name.npos || !name.starts_with("mx")) return std::nullopt;
  const auto number = ascii::parse_u64(name.substr(2, dot - 2));
  const DomainRule* const rule = find(name.substr(dot + 1));
  if (!number || rule == nullptr || *number == 0 || *number > rule->mx.size()) return std::nullopt;
  return Host{rule, rule->mx[*number - 1]};
}

RuleBook::Site RuleBook::at(const IpAddress& address) const {
  Site site;
  const auto found = by_address_.find(address);
  if (found == by_address_.end()) return site;
  const Entry& entry = entries_[found->second];
  site.rule = entry.rule.get();
  if (!entry.first_domain.empty()) site.domain = entry.first_domain;
  return site;
}

Result<void> RuleBook::check_addresses(const DomainRule& rule) const {
  if (!rule.listen) return {};
  for (const IpAddress& address : rule.mx) {
    if (std::find(addresses_.begin(), addresses_.end(), address) == addresses_.end()) {
      return failure("mx: no simulated host listens on " + address.to_string());
    }
  }
  return {};
}

Result<RuleBook> RuleBook::with(std::string_view name,
                                const std::vector<std::string_view>& assignments) const {
  const std::string folded = ascii::lower(name);
  RuleBook book = *this;
  auto entry = std::find_if(book.entries_.rbegin(), book.entries_.rend(), [&](const Entry& e) {
    return std::find(e.patterns.begin(), e.patterns.end(), folded) != e.patterns.end();
  });
  std::size_t changed = 0;
  // A rule written for this name alone, or the pattern itself, changes in place.
  if (entry != book.entries_.rend() && entry->patterns.size() == 1) {
    changed = static_cast<std::size_t>(book.entries_.rend() - entry) - 1;
  } else {
    const auto pattern = NamePattern::parse(folded);
    const auto shared = find_entry(folded);
    if (!pattern || pattern->kind() != NamePattern::Kind::kExact || !shared) {
      return failure("no rule for '" + ascii::printable(name) + "'");
    }
    changed = book.entries_.size();
    book.entries_.push_back({{}, "", entries_[*shared].rule});
    book.index(changed, *pattern);
  }
  DomainRule rule = *book.entries_[changed].rule;
  rule.counters = std::make_shared<RuleCounters>();
  for (const std::string_view assignment : assignments) {
    if (auto set = rule.set(assignment); !set) return failure(set.error());
  }
  if (auto checked = check_addresses(rule); !checked) return failure(checked.error());
  book.entries_[changed].rule = std::make_shared<const DomainRule>(std::move(rule));
  book.map_addresses();
  return book;
}

RuleBoard::RuleBoard(RuleBook book)
    : initial_(std::make_shared<const RuleBook>(std::move(book))), current_(initial_) {}

const RuleBook& RuleBoard::Reader::current() {
  const std::uint64_t generation = board_->generation_.load(std::memory_order_acquire);
  if (generation != seen_) {
    book_ = *board_->current_.lock();
    seen_ = generation;
  }
  return *book_;
}

std::shared_ptr<const RuleBook> RuleBoard::Reader::keep() {
  current();
  return book_;
}

Result<void> RuleBoard::set(std::string_view name,
                            const std::vector<std::string_view>& assignments) {
  auto current = current_.lock();
  auto changed = (*current)->with(name, assignments);
  if (!changed) return failure(changed.error());
  *current = std::make_shared<const RuleBook>(*std::move(changed));
  generation_.fetch_add(1, std::memory_order_release);
  return {};
}

void RuleBoard::reset() {
  *current_.lock() = initial_;
  generation_.fetch_add(1, std::memory_order_release);
}

}  // namespace postrider::bench
