// Body: a message's text (header section and body, RFC 5322), as a list of immutable chunks.
//
// Canonical form: every line ends in CRLF, no dot-stuffing, no end-of-data mark. Copying a Body
// shares the bytes. Thread: values; the chunks are immutable.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "relay/base/bytes.h"

namespace postrider::message {

class Body {
 public:
  Body() = default;

  explicit Body(std::string text) { append(Chunk(std::move(text))); }

  void append(Chunk chunk) {
    if (chunk.empty()) return;
    size_ += chunk.size();
    chunks_.push_back(std::move(chunk));
  }

  // Before everything else; for trace fields.
  void prepend(Chunk chunk) {
    if (chunk.empty()) return;
    size_ += chunk.size();
    chunks_.insert(chunks_.begin(), std::move(chunk));
  }

  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] const std::vector<Chunk>& chunks() const { return chunks_; }

  // All of it in one string: for reports, tools and tests.
  [[nodiscard]] std::string to_string() const {
    std::string text;
    text.reserve(size_);
    for (const Chunk& chunk : chunks_) text += chunk.view();
    return text;
  }

 private:
  std::vector<Chunk> chunks_;
  std::size_t size_ = 0;
};

}  // namespace postrider::message
