// Result<T>: a value, or an Error of the environment (disk, descriptors, configuration).
//
// Outcomes of mail (a reply, a refused recipient) are message::Status, never an Error; our own bugs
// are PR_CHECK. Thread: values, no shared state that changes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace postrider {

// What was tried, on what, and why it failed, as a sentence for an operator. One pointer wide;
// copies share the text.
class Error {
 public:
  explicit Error(std::string text, int system_code = 0)
      : detail_(std::make_shared<const Detail>(Detail{std::move(text), system_code})) {}

  // "<what>: <strerror(code)>".
  static Error from_errno(std::string_view what, int code);

  // The same error, told from one level up: "<context>: <text>".
  [[nodiscard]] Error within(std::string_view context) const;

  [[nodiscard]] const std::string& text() const { return detail_->text; }

  // errno of the failed call; 0 where there was none.
  [[nodiscard]] int system_code() const { return detail_->system_code; }

 private:
  struct Detail {
    std::string text;
    int system_code;
  };

  std::shared_ptr<const Detail> detail_;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

// For `return failure("...")` in a function that returns Result<T>.
inline tl::unexpected<Error> failure(std::string text, int system_code = 0) {
  return tl::unexpected<Error>(Error(std::move(text), system_code));
}

inline tl::unexpected<Error> failure(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace postrider
