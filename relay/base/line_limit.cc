#include "relay/base/line_limit.h"

#include <utility>

namespace postrider::log {

std::optional<std::uint64_t> LineLimit::admit(std::string_view area, std::string_view message,
                                              TimePoint now) {
  Window& window = window_of(area, message, now);
  if (window.lines == 0 || now - window.opened >= kWindow) {
    window.opened = now;
    window.lines = 0;
  }
  if (window.lines >= kLinesPerWindow) {
    ++window.held;
    return std::nullopt;
  }
  ++window.lines;
  return std::exchange(window.held, 0);
}

LineLimit::Window& LineLimit::window_of(std::string_view area, std::string_view message,
                                        TimePoint now) {
  key_.assign(area);
  key_ += '\0';
  key_ += message;
  if (const auto found = windows_.find(key_); found != windows_.end()) return found->second;
  if (windows_.size() >= kMaxKeys) {
    // A finished window with nothing to tell is as good as none.
    std::erase_if(windows_, [now](const auto& entry) {
      return entry.second.held == 0 && now - entry.second.opened >= kWindow;
    });
  }
  if (windows_.size() >= kMaxKeys) return shared_;
  return windows_[key_];
}

}  // namespace postrider::log
