// The operator's log: one line an event on standard error, `level message key=value ...`.
//
//   log::warning("delivery", "destination refused us", {{"site", name}, {"reply", text}});
//
// Values from outside are escaped (ascii::printable) and cut. A key (area + message) that repeats
// is held to a few lines a second, but for what is announced; what was held back is said when it
// resumes. Message bodies and credentials are never passed here. Thread: any.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace postrider::log {

enum class Level { kDebug, kInfo, kWarning, kError };

struct Field {
  Field(std::string_view name, std::string_view text) : key(name), value(text) {}

  Field(std::string_view name, const char* text) : key(name), value(text) {}

  Field(std::string_view name, const std::string& text) : key(name), value(text) {}

  template <class T>

  requires std::is_integral_v<T> Field(std::string_view name, T number)
      : key(name), value(std::to_string(number)) {}

  std::string_view key;
  std::string value;
};

using Fields = std::initializer_list<Field>;

// Lines below `level` are dropped; kInfo at first.
void set_level(Level level);
// Where lines go instead of standard error; nullptr sets it back. For tests.
using Sink = void (*)(std::string_view line);
void set_sink(Sink sink);

void write(Level level, std::string_view area, std::string_view message, Fields fields = {});

// At kInfo, and never held back: for lines whose number the configuration bounds, said at start.
void announce(std::string_view area, std::string_view message, Fields fields = {});

inline void debug(std::string_view area, std::string_view message, Fields fields = {}) {
  write(Level::kDebug, area, message, fields);
}

inline void info(std::string_view area, std::string_view message, Fields fields = {}) {
  write(Level::kInfo, area, message, fields);
}

inline void warning(std::string_view area, std::string_view message, Fields fields = {}) {
  write(Level::kWarning, area, message, fields);
}

inline void error(std::string_view area, std::string_view message, Fields fields = {}) {
  write(Level::kError, area, message, fields);
}

}  // namespace postrider::log
