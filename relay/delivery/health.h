// AddressHealth: the addresses that lately could not be connected to, or turned mail away. Known to
// every site that uses them, on every worker: each tries such an address last. Bounded: where more
// are down than it remembers, those that are forgotten cost a try each. Thread: any (one mutex).
#pragma once

#include <cstddef>
#include <map>
#include <optional>

#include "relay/base/clock.h"
#include "relay/base/guarded.h"
#include "relay/base/ip.h"

namespace postrider::delivery {

class AddressHealth {
 public:
  // An address that failed is tried last for so long.
  static constexpr Duration kAvoidFor = Seconds(60);
  static constexpr std::size_t kRememberedMax = 10'000;

  [[nodiscard]] bool is_avoided(const Endpoint& address, TimePoint now) const {
    return avoided_until(address, now).has_value();
  }

  // nullopt: it is not avoided.
  [[nodiscard]] std::optional<TimePoint> avoided_until(const Endpoint& address,
                                                       TimePoint now) const;
  void note(const Endpoint& address, bool works, TimePoint now);

  [[nodiscard]] std::size_t size() const { return state_.lock()->avoided.size(); }

 private:
  struct State {
    std::map<Endpoint, TimePoint> avoided;
    TimePoint sweep_at{};  // where it is full, the old are not looked for with every new one
  };

  mutable Guarded<State> state_;
};

}  // namespace postrider::delivery
