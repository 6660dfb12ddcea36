#include "relay/base/check.h"

#include <cstdlib>
#include <fmt/format.h>
#include <iterator>
#include <unistd.h>

#include "relay/base/ascii.h"

namespace postrider {

void check_failed(const char* file, int line, const char* condition, std::string_view state) {
  fmt::memory_buffer text;
  fmt::format_to(std::back_inserter(text), "{}:{}: check failed: {}", file, line, condition);
  if (!state.empty()) {
    fmt::format_to(std::back_inserter(text), " [{}]", ascii::printable(state, 2048));
  }
  text.push_back('\n');
  // Straight to the descriptor: the process is in an unknown state, the log may hold its lock.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  std::abort();
}

}  // namespace postrider
