#include "relay/policy/bursts.h"

#include <utility>

namespace postrider::policy {

std::optional<std::uint64_t> Bursts::note(std::string_view kind, TimePoint now) {
  auto turns = turns_.lock();
  auto found = turns->find(kind);
  if (found == turns->end()) {
    if (turns->size() >= kKindsMax) kind = "";
    found = turns->try_emplace(std::string(kind)).first;
  }
  Turn& turn = found->second;
  if (turn.said && now - *turn.said < kInterval) {
    ++turn.unsaid;
    return std::nullopt;
  }
  turn.said = now;
  return std::exchange(turn.unsaid, 0);
}

}  // namespace postrider::policy
