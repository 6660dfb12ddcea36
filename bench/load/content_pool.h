// ContentPool: message contents, made once: lines of base64 over random bytes, of which each
// message takes another slice, so that nothing that compresses across messages finds a repeat.
// (Within one message the six bits a character of base64 remain to be won.) Thread: immutable after
// construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/bytes.h"

namespace postrider::bench {

class ContentPool {
 public:
  // The pool has at least this many bytes, and twice the largest message.
  static constexpr std::size_t kLeastSize = std::size_t{8} * 1024 * 1024;

  ContentPool(std::size_t largest_message, std::uint64_t seed);

  // The chunks of one content, with the line that ends it: `head` (whole header lines of this
  // message), the common header, the empty line, and as much text, chosen by `chance`, as makes the
  // content `size` bytes (less where the last line could not be cut there).
  [[nodiscard]] std::vector<Chunk> content(std::string head, std::size_t size,
                                           std::uint64_t chance) const;

 private:
  std::string common_header_;
  Chunk pool_;
  Chunk end_of_line_and_data_;
  Chunk end_of_data_;
};

}  // namespace postrider::bench
