#include "relay/delivery/health.h"

namespace postrider::delivery {

std::optional<TimePoint> AddressHealth::avoided_until(const Endpoint& address,
                                                      TimePoint now) const {
  auto state = state_.lock();
  const auto found = state->avoided.find(address);
  if (found == state->avoided.end() || found->second <= now) return std::nullopt;
  return found->second;
}

void AddressHealth::note(const Endpoint& address, bool works, TimePoint now) {
  auto state = state_.lock();
  auto& avoided = state->avoided;
  if (works) {
    avoided.erase(address);
    return;
  }
  if (avoided.size() >= kRememberedMax && !avoided.contains(address)) {
    if (now < state->sweep_at) return;
    state->sweep_at = now + Seconds(1);
    std::erase_if(avoided, [now](const auto& entry) { return entry.second <= now; });
    if (avoided.size() >= kRememberedMax) return;
  }
  avoided[address] = now + avoid_for_;
}

}  // namespace postrider::delivery
