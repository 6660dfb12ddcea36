// LineLimit: how many log lines a second one key may write; what the log uses to stay readable when
// something fails ten thousand times a second. Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "relay/base/clock.h"

namespace postrider::log {

class LineLimit {
 public:
  // Lines of one key within kWindow, counted from the first.
  static constexpr unsigned kLinesPerWindow = 5;
  static constexpr Duration kWindow = Seconds(1);
  // Keys remembered. Beyond it new keys share one allowance, so that memory and lines stay bounded
  // even if a caller put foreign text into a message.
  static constexpr std::size_t kMaxKeys = 1024;

  // Whether a line of (area, message) may be written now: then the number of its lines that were
  // held back since the last one written, else nullopt.
  std::optional<std::uint64_t> admit(std::string_view area, std::string_view message,
                                     TimePoint now);

 private:
  struct Window {
    TimePoint opened{};
    unsigned lines = 0;
    std::uint64_t held = 0;
  };

  Window& window_of(std::string_view area, std::string_view message, TimePoint now);

  std::map<std::string, Window, std::less<>> windows_;
  Window shared_;
  std::string key_;  // kept for its capacity
};

}  // namespace postrider::log
