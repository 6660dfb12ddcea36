// ProxyHeader: what a load balancer says in front of a connection about whom it is from (the PROXY
// protocol, versions 1 and 2), read as it arrives.
//
// Whether it may be believed is the caller's business. Any split of the same bytes gives the same
// answer; memory is bounded by kSizeMax. Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "relay/base/ip.h"

namespace postrider::submission {

class ProxyHeader {
 public:
  enum class State : std::uint8_t { kIncomplete, kDone, kMalformed };

  // Octets of a header of version 2, extensions included; one of version 1 has at most 107.
  static constexpr std::size_t kSizeMax = 4096;

  // Takes from the front of `bytes` what belongs to the header; what is left then came behind it.
  State feed(std::string_view& bytes);

  // Once done: the client. nullopt: the header names none that speaks TCP over IP (LOCAL, UNKNOWN,
  // a Unix socket ...).
  [[nodiscard]] const std::optional<Endpoint>& client() const { return client_; }

  // Once done: whether the connection is its peer's own (LOCAL). Where it is not, and no client is
  // named, anybody may be behind it.
  [[nodiscard]] bool is_local() const { return is_local_; }

  // What is wrong with a malformed one; static.
  [[nodiscard]] std::string_view defect() const { return defect_; }

 private:
  State judge();
  State judge_line();
  State judge_words(std::string_view words);
  State judge_block();
  State judge_addresses(std::string_view block);

  State refuse(std::string_view defect) {
    defect_ = defect;
    return State::kMalformed;
  }

  State state_ = State::kIncomplete;
  std::string head_;  // what has come
  std::optional<Endpoint> client_;
  bool is_local_ = false;
  std::string_view defect_;
};

}  // namespace postrider::submission
