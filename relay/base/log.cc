#include "relay/base/log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fmt/format.h>
#include <iterator>
#include <unistd.h>

#include "relay/base/ascii.h"
#include "relay/base/clock.h"
#include "relay/base/guarded.h"
#include "relay/base/line_limit.h"

namespace postrider::log {

namespace {

// Of one value, before escaping.
constexpr std::size_t kMaxValueBytes = 512;

std::atomic<Level> lowest_level{Level::kInfo};
std::atomic<Sink> line_sink{nullptr};

// Never destroyed: threads may log while the process ends.
Guarded<LineLimit>& line_limit() {
  static auto* const limit = new Guarded<LineLimit>();
  return *limit;
}

std::string_view name_of(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "unknown";
}

bool needs_quotes(std::string_view value) {
  return value.empty() || value.find_first_of(" =\"") != std::string_view::npos;
}

void append_value(fmt::memory_buffer& line, std::string_view value) {
  const std::string safe = ascii::printable(value, kMaxValueBytes);
  if (!needs_quotes(safe)) {
    line.append(safe);
    return;
  }
  line.push_back('"');
  for (const char c : safe) {
    if (c == '"') line.push_back('\\');
    line.push_back(c);
  }
  line.push_back('"');
}

// One write(2) a line, so that lines of several threads or processes do not mix. What the
// descriptor does not take (a full pipe nobody reads) is lost: the log never holds up the mail.
void write_to_stderr(std::string_view line) {
  ssize_t written = 0;
  do {
    written = ::write(STDERR_FILENO, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
}

}  // namespace

void set_level(Level level) {
  lowest_level.store(level, std::memory_order_relaxed);
}

void set_sink(Sink sink) {
  line_sink.store(sink);
}

void write(Level level, std::string_view area, std::string_view message, Fields fields) {
  if (level < lowest_level.load(std::memory_order_relaxed)) return;
  const auto held = line_limit().lock()->admit(area, message, std::chrono::steady_clock::now());
  if (!held) return;
  const WallTime now = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  fmt::memory_buffer line;
  fmt::format_to(std::back_inserter(line), "{} {} {}: {}", to_iso8601(now), name_of(level), area,
                 ascii::printable(message));
  for (const Field& field : fields) {
    fmt::format_to(std::back_inserter(line), " {}=", field.key);
    append_value(line, field.value);
  }
  if (*held > 0) fmt::format_to(std::back_inserter(line), " held_back={}", *held);
  if (const Sink sink = line_sink.load()) {
    sink({line.data(), line.size()});
    return;
  }
  line.push_back('\n');
  write_to_stderr({line.data(), line.size()});
}

}  // namespace postrider::log
