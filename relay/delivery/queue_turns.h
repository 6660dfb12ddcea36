// QueueTurns: which of a site's queues is next. The bands take turns by the shares below, within a
// band the tenants by their weights, within a tenant its queues one after the other: how many
// queues a tenant has changes nothing for others, and a band that is always full leaves the lower
// ones their share.
//
// The starvation bound: of any N turns of the site in a row a queue that waits through them has
// one, with N = B * (W / w + 2 (t - 1)) * (2 q - 1): B is 5 in the high band, 8 in the normal and
// 23 in the low one (fewer where a band is empty); w the weight of its tenant, W and t sum and
// number of those of the band that have mail waiting; q the tenant's queues there, each at its most
// meanwhile. It follows from that of FairTurns on each of the three levels.
//
// Each step takes O(log n). Pure. Thread: one owner.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "queue/band.h"
#include "relay/policy/fair_turns.h"

namespace postrider::delivery {

class QueueTurns {
 public:
  using Id = std::uint64_t;

  struct Member {
    Id id = 0;
    queue::Band band = queue::Band::kNormal;
    std::string tenant;
    unsigned weight = 1;  // of the tenant: the same in all its queues
  };

  // Of each band, in their order. Of three that always have mail high gets 16 of 21 turns, normal 4
  // and low 1.
  static constexpr std::array<unsigned, queue::kBands> kShares = {1, 4, 16};

  // Has work from now on; it joins once.
  void join(const Member& queue);
  // Has no work any more.
  void leave(const Member& queue);

  // Queues that have work.
  [[nodiscard]] std::size_t size() const { return size_; }

  // Whose turn it is; nullopt: nobody has work.
  [[nodiscard]] std::optional<Id> next() const;
  // It has had a turn.
  void take(const Member& queue);

 private:
  struct OfBand {
    policy::FairTurns<std::string> tenants;
    std::unordered_map<std::string, policy::FairTurns<Id>> queues;  // by tenant
  };

  OfBand& of(queue::Band band) { return bands_.at(static_cast<std::size_t>(band)); }

  policy::FairTurns<queue::Band> order_;
  std::array<OfBand, queue::kBands> bands_;
  std::size_t size_ = 0;
};

}  // namespace postrider::delivery
