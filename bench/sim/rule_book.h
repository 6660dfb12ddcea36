// RuleBook: all simulated domains, found by name and by MX address. RuleBoard: the current book,
// replaced as a whole when a behaviour changes at run time.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/sim/domain_rule.h"
#include "relay/base/guarded.h"

namespace postrider::bench {

// Thread: immutable once it is shared.
class RuleBook {
 public:
  // A name given twice keeps its later rule.
  static Result<RuleBook> build(std::vector<RuleLine> lines);

  // The rule of `domain` (lower case): its own, that of the nearest "*.parent", that of "*", or
  // nullptr.
  [[nodiscard]] const DomainRule* find(std::string_view domain) const;

  // What a host name of ours means: "mx2.example.test" is the second MX host of example.test.
  struct Host {
    const DomainRule* rule = nullptr;
    IpAddress address;
  };

  // Nullopt for names that are no MX host of a known domain.
  [[nodiscard]] std::optional<Host> find_host(std::string_view name) const;

  // The first domain that was given an MX address, and its rule: what decides before a recipient is
  // known. The rule is null when none names the address any more.
  struct Site {
    std::string_view domain = "simulated.invalid";  // owned by the book
    const DomainRule* rule = nullptr;
  };

  [[nodiscard]] Site at(const IpAddress& address) const;

  // Every address on which some rule has a simulated host listen, once, in the order of the rules.
  [[nodiscard]] const std::vector<IpAddress>& addresses() const { return addresses_; }

  // A copy in which `name` (a domain, or a pattern as it was written) has the assignments too. A
  // domain that so far shares the rule of a pattern gets its own. Fails on unknown names, bad
  // assignments, and MX addresses that are not among addresses(): nobody listens there.
  Result<RuleBook> with(std::string_view name,
                        const std::vector<std::string_view>& assignments) const;

 private:
  struct Entry {
    std::vector<std::string> patterns;  // as written
    std::string first_domain;
    std::shared_ptr<const DomainRule> rule;
  };

  struct TextHash {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the library's name

    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  using Index = std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>>;

  void index(std::size_t entry, const NamePattern& pattern);
  void map_addresses();
  [[nodiscard]] std::optional<std::size_t> find_entry(std::string_view domain) const;
  [[nodiscard]] Result<void> check_addresses(const DomainRule& rule) const;

  std::vector<Entry> entries_;
  Index exact_;
  Index below_;  // by the part behind "*."
  std::optional<std::size_t> any_;
  std::vector<IpAddress> addresses_;
  std::map<IpAddress, std::size_t> by_address_;
};

// Thread: any.
class RuleBoard {
 public:
  explicit RuleBoard(RuleBook book);

  // One thread's view of the board: current() reads the board only when it has changed.
  class Reader {
   public:
    explicit Reader(RuleBoard& board) : board_(&board) {}

    // Valid until the next call.
    const RuleBook& current();
    // The same, to be kept.
    std::shared_ptr<const RuleBook> keep();

   private:
    RuleBoard* board_;
    std::uint64_t seen_ = 0;
    std::shared_ptr<const RuleBook> book_;
  };

  Result<void> set(std::string_view name, const std::vector<std::string_view>& assignments);
  // Back to the book of the start.
  void reset();

 private:
  std::shared_ptr<const RuleBook> initial_;
  Guarded<std::shared_ptr<const RuleBook>> current_;
  std::atomic<std::uint64_t> generation_{1};
};

}  // namespace postrider::bench
