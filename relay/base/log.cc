#include "relay/base/log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <fmt/format.h>
#include <iterator>
#include <poll.h>
#include <unistd.h>
#include <utility>

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

// Lines that nobody took since the last that somebody did.
Guarded<std::uint64_t>& lost_lines() {
  static auto* const lost = new Guarded<std::uint64_t>();
  return *lost;
}

// Whether stderr takes PIPE_BUF octets without waiting for a reader (poll(2), pipe(7)). It is not
// made non-blocking itself: it may be shared with other processes, which do not expect that.
bool takes_more() {
  pollfd stderr_now{STDERR_FILENO, POLLOUT, 0};
  return ::poll(&stderr_now, 1, 0) == 1 && (stderr_now.revents & POLLOUT) != 0;
}

void write_now(std::string_view line) {
  ssize_t written = 0;
  do {
    written = ::write(STDERR_FILENO, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
}

// One write(2) a line, so that lines of several processes do not mix. What the descriptor does not
// take (a full pipe nobody reads) is lost and counted: the log never holds up the mail.
void write_to_stderr(std::string_view line) {
  auto lost = lost_lines().lock();  // others must not fill it between the look and the write
  if (!takes_more()) return void(++*lost);
  if (*lost > 0) {
    write_now(
        fmt::format("{} warning log: lines were lost, since nobody read them lines={}\n",
                    to_iso8601(std::chrono::floor<Milliseconds>(std::chrono::system_clock::now())),
                    std::exchange(*lost, 0)));
    if (!takes_more()) return void(++*lost);
  }
  for (; !line.empty() && takes_more();
       line.remove_prefix(std::min<std::size_t>(line.size(), PIPE_BUF))) {
    write_now(line.substr(0, PIPE_BUF));
  }
}

}  // namespace

void set_level(Level level) {
  lowest_level.store(level, std::memory_order_relaxed);
}

void set_sink(Sink sink) {
  line_sink.store(sink);
}

namespace {

// `held`: lines of this key that were not written since the last that was.
void write_line(Level level, std::string_view area, std::string_view message, Fields fields,
                std::uint64_t held) {
  const WallTime now = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  fmt::memory_buffer line;
  fmt::format_to(std::back_inserter(line), "{} {} {}: {}", to_iso8601(now), name_of(level), area,
                 ascii::printable(message));
  for (const Field& field : fields) {
    fmt::format_to(std::back_inserter(line), " {}=", field.key);
    append_value(line, field.value);
  }
  if (held > 0) fmt::format_to(std::back_inserter(line), " held_back={}", held);
  if (const Sink sink = line_sink.load()) {
    sink({line.data(), line.size()});
    return;
  }
  line.push_back('\n');
  write_to_stderr({line.data(), line.size()});
}

bool is_wanted(Level level) {
  return level >= lowest_level.load(std::memory_order_relaxed);
}

}  // namespace

void write(Level level, std::string_view area, std::string_view message, Fields fields) {
  if (!is_wanted(level)) return;
  const auto held = line_limit().lock()->admit(area, message, std::chrono::steady_clock::now());
  if (held) write_line(level, area, message, fields, *held);
}

void announce(std::string_view area, std::string_view message, Fields fields) {
  if (is_wanted(Level::kInfo)) write_line(Level::kInfo, area, message, fields, 0);
}

}  // namespace postrider::log
