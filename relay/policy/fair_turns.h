// FairTurns: whose turn it is among those that have work, each by its weight (stride scheduling: a
// turn costs 1 / weight, and the one that has spent least is next).
//
// The starvation bound: between two turns of one with weight w, another with weight v has at most
// ceil(v / w) + 1 turns, and one that joins waits no longer than between two turns of its own. So,
// with n members whose weights sum up to W, one that has work has one of any W / w + 2 (n - 1)
// turns in a row. Each step takes O(log n). Pure. Thread: one owner.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "relay/base/check.h"

namespace postrider::policy {

template <class Key>
class FairTurns {
 public:
  static constexpr unsigned kWeightMax = 1000;

  // Has work from now on; weight 1 to kWeightMax. Its first turn comes as if it had just had one,
  // whatever it had before: neither having had no work nor leaving and joining again earns
  // anything.
  void join(const Key& key, unsigned weight) {
    PR_CHECK(!members_.contains(key), "a member joins once");
    weight = std::clamp(weight, 1U, kWeightMax);
    const auto member = members_.emplace(key, Member{{}, weight}).first;
    member->second.place = {now_ + kTurn / weight, ++serial_, &member->first};
    order_.insert(member->second.place);
  }

  // Has no work any more.
  void leave(const Key& key) {
    const auto found = members_.find(key);
    if (found == members_.end()) return;
    order_.erase(found->second.place);
    members_.erase(found);
  }

  [[nodiscard]] bool has(const Key& key) const { return members_.contains(key); }

  [[nodiscard]] std::size_t size() const { return members_.size(); }

  // Whose turn it is, until it leaves; null: nobody has work.
  [[nodiscard]] const Key* next() const { return order_.empty() ? nullptr : order_.begin()->key; }

  // It has had a turn.
  void take(const Key& key) {
    const auto found = members_.find(key);
    PR_CHECK(found != members_.end(), "only members have turns");
    Member& member = found->second;
    order_.erase(member.place);
    // A turn may be taken out of order.
    now_ = std::max(now_, member.place.spent);
    member.place.spent = std::max(member.place.spent, now_) + kTurn / member.weight;
    member.place.serial = ++serial_;
    order_.insert(member.place);
  }

 private:
  struct Place {
    std::uint64_t spent = 0;
    std::uint64_t serial = 0;  // who came first goes first
    const Key* key = nullptr;

    auto operator<=>(const Place&) const = default;
  };

  struct Member {
    Place place;
    unsigned weight;
  };

  // A turn of weight 1; divisible by the usual weights.
  static constexpr std::uint64_t kTurn = 720'720;

  std::map<Key, Member> members_;
  std::set<Place> order_;
  std::uint64_t now_ = 0;  // what the last one to have a turn had spent before it
  std::uint64_t serial_ = 0;
};

}  // namespace postrider::policy
