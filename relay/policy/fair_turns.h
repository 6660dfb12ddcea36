// FairTurns: whose turn it is among those that have work, each by its weight (stride scheduling: a
// turn costs 1 / weight, and the one that has spent least is next).
//
// The starvation bound: between two turns of one with weight w, another with weight v has at most
// ceil(v / w) + 1 turns, and one that joins waits no longer than between two turns of its own.
// Pure. Thread: one owner.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

namespace postrider::policy {

class FairTurns {
 public:
  using Id = std::uint64_t;

  static constexpr unsigned kWeightMax = 1000;

  // Has work from now on; weight 1 to kWeightMax. Its first turn comes as if it had just had one,
  // whatever it had before: neither having had no work nor leaving and joining again earns
  // anything.
  void join(Id id, unsigned weight);
  // Has no work any more.
  void leave(Id id);

  [[nodiscard]] bool has(Id id) const { return members_.contains(id); }

  [[nodiscard]] std::size_t size() const { return members_.size(); }

  // Whose turn it is; nullopt: nobody has work.
  [[nodiscard]] std::optional<Id> next() const;
  // It has had a turn.
  void take(Id id);

 private:
  struct Place {
    std::uint64_t spent;
    std::uint64_t serial;  // who came first goes first
    Id id;

    auto operator<=>(const Place&) const = default;
  };

  struct Member {
    Place place;
    unsigned weight;
  };

  // A turn of weight 1; divisible by the usual weights.
  static constexpr std::uint64_t kTurn = 720'720;

  std::map<Id, Member> members_;
  std::set<Place> order_;
  std::uint64_t now_ = 0;  // what the last one to have a turn had spent before it
  std::uint64_t serial_ = 0;
};

}  // namespace postrider::policy
