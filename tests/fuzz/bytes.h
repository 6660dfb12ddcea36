// What a fuzzer's input means: a stream of small decisions, and the rest. Thread: one caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace postrider::fuzz {

class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  // The next byte; 0 at the end.
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }

  [[nodiscard]] bool empty() const { return rest_.empty(); }

  // At most `length` bytes.
  std::string_view take(std::size_t length) {
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest() { return take(rest_.size()); }

 private:
  std::string_view rest_;
};

// What must hold; a failure is a finding.
inline void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace postrider::fuzz
