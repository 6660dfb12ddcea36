// PR_CHECK: an invariant of our own code, on in every build. It prints file, line, condition and
// state, and aborts. Never for anything that a peer, a file or an operator can cause.
#pragma once

#include <string_view>

namespace postrider {

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view state);

}  // namespace postrider

// PR_CHECK(condition) or PR_CHECK(condition, state), state convertible to std::string_view.
#define PR_CHECK(condition, ...)                                                                  \
  do {                                                                                            \
    if (!(condition)) [[unlikely]] {                                                              \
      ::postrider::check_failed(__FILE__, __LINE__, #condition, ::std::string_view(__VA_ARGS__)); \
    }                                                                                             \
  } while (false)
