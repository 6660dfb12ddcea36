// JsonObject: one JSON object written as text, member by member, on one line. Thread: one owner.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::bench {

// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
std::string json_quote(std::string_view text);

class JsonObject {
 public:
  JsonObject& text(std::string_view key, std::string_view value);
  JsonObject& texts(std::string_view key, const std::vector<std::string>& values);
  JsonObject& flag(std::string_view key, bool value);
  // With three digits behind the point.
  JsonObject& real(std::string_view key, double value);
  // `json` is already JSON.
  JsonObject& raw(std::string_view key, std::string_view json);

  JsonObject& number(std::string_view key, std::integral auto value) {
    return raw(key, std::to_string(value));
  }

  [[nodiscard]] std::string str() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

}  // namespace postrider::bench
