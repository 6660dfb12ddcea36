#include "relay/delivery/allowance.h"

#include <algorithm>
#include <vector>

namespace postrider::delivery {

Allowance::Allowance(const policy::Limits& limits)
    : connections_max_(limits.connections_max.value),
      messages_(limits.message_rate.value),
      dials_(limits.connection_rate.value) {}

bool Allowance::has_place(Sharer& sharer) {
  const bool is_next = line_.empty() || line_.front() == &sharer;
  if (is_next && holders_.size() < connections_max_) {
    std::erase(line_, &sharer);
    return true;
  }
  if (std::ranges::find(line_, &sharer) != line_.end()) return false;
  line_.push_back(&sharer);
  if (holders_.size() < connections_max_) return false;
  // A copy: giving way may end a connection at once.
  std::vector<Sharer*> others(holders_.begin(), holders_.end());
  others.erase(std::unique(others.begin(), others.end()), others.end());
  for (Sharer* other : others) {
    if (other != &sharer && other->give_way()) break;
  }
  return false;
}

void Allowance::leave_line(Sharer& sharer) {
  if (line_.empty()) return;
  const bool was_first = line_.front() == &sharer;
  std::erase(line_, &sharer);
  if (was_first) tell_first();
}

bool Allowance::others_wait(const Sharer& sharer) const {
  return std::ranges::any_of(line_, [&sharer](const Sharer* one) { return one != &sharer; });
}

bool Allowance::is_above_share(const Sharer& sharer, std::size_t connections) const {
  if (!others_wait(sharer)) return false;
  std::set<const Sharer*> all(holders_.begin(), holders_.end());
  all.insert(line_.begin(), line_.end());
  return connections > (connections_max_ + all.size() - 1) / all.size();
}

void Allowance::opened(Sharer& sharer, TimePoint now) {
  holders_.insert(&sharer);
  dials_.take(now);
}

void Allowance::closed(Sharer& sharer) {
  const auto found = holders_.find(&sharer);
  if (found != holders_.end()) holders_.erase(found);
  tell_first();
}

void Allowance::tell_first() {
  if (!line_.empty() && holders_.size() < connections_max_) line_.front()->on_place();
}

}  // namespace postrider::delivery
