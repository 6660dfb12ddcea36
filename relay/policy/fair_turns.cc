#include "relay/policy/fair_turns.h"

#include <algorithm>

#include "relay/base/check.h"

namespace postrider::policy {

void FairTurns::join(Id id, unsigned weight) {
  PR_CHECK(!members_.contains(id), "a member joins once");
  weight = std::clamp(weight, 1U, kWeightMax);
  const Member member{{now_ + kTurn / weight, ++serial_, id}, weight};
  members_.emplace(id, member);
  order_.insert(member.place);
}

void FairTurns::leave(Id id) {
  const auto found = members_.find(id);
  if (found == members_.end()) return;
  order_.erase(found->second.place);
  members_.erase(found);
}

std::optional<FairTurns::Id> FairTurns::next() const {
  if (order_.empty()) return std::nullopt;
  return order_.begin()->id;
}

void FairTurns::take(Id id) {
  const auto found = members_.find(id);
  PR_CHECK(found != members_.end(), "only members have turns");
  Member& member = found->second;
  order_.erase(member.place);
  // A turn may be taken out of order.
  now_ = std::max(now_, member.place.spent);
  member.place.spent = std::max(member.place.spent, now_) + kTurn / member.weight;
  member.place.serial = ++serial_;
  order_.insert(member.place);
}

}  // namespace postrider::policy
