// Bursts: which of many refusals the log hears of: the first of each kind, and while they go on one
// a minute with the number of those in between. The counters have them all. Thread: any (one
// mutex).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "relay/base/clock.h"
#include "relay/base/guarded.h"

namespace postrider::policy {

class Bursts {
 public:
  static constexpr Duration kInterval = Seconds(60);
  // Kinds are static labels, so there are few; beyond this they share one turn.
  static constexpr std::size_t kKindsMax = 128;

  // nullopt: it stays unsaid. Otherwise how many did since the last of its kind was said.
  std::optional<std::uint64_t> note(std::string_view kind, TimePoint now);

 private:
  struct Turn {
    std::optional<TimePoint> said;
    std::uint64_t unsaid = 0;
  };

  Guarded<std::map<std::string, Turn, std::less<>>> turns_;
};

}  // namespace postrider::policy
