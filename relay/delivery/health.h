// AddressHealth: the addresses at which something failed lately, known to every site that uses
// them, on every worker. Of one kind are those that could not be connected to, or turned mail away:
// each site tries them last. Of another are those whose TLS fails: where plaintext will do, it is
// not tried again meanwhile. Bounded: where more fail than it remembers, those that are forgotten
// cost a try each. Thread: any (one mutex).
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
  static constexpr Duration kAvoidFor = Seconds(60);
  static constexpr Duration kAvoidTlsFor = std::chrono::minutes(10);
  static constexpr std::size_t kRememberedMax = 10'000;

  // What failed is avoided for so long.
  explicit AddressHealth(Duration avoid_for = kAvoidFor) : avoid_for_(avoid_for) {}

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

  const Duration avoid_for_;
  mutable Guarded<State> state_;
};

}  // namespace postrider::delivery
