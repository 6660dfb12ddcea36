// Chunk: an immutable, reference-counted slice of bytes. What bodies are made of and what sockets
// write; copying one shares the bytes. Thread: immutable after construction.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace postrider {

class Chunk {
 public:
  Chunk() = default;

  // Takes the string's bytes over; no copy.
  explicit Chunk(std::string bytes) {
    auto owned = std::make_shared<const std::string>(std::move(bytes));
    bytes_view_ = *owned;
    owner_ = std::move(owned);
  }

  // `bytes` live as long as `owner` does; a null owner says: static storage.
  Chunk(std::shared_ptr<const void> owner, std::string_view bytes)
      : owner_(std::move(owner)), bytes_view_(bytes) {}

  [[nodiscard]] std::string_view view() const { return bytes_view_; }

  [[nodiscard]] std::size_t size() const { return bytes_view_.size(); }

  [[nodiscard]] bool empty() const { return bytes_view_.empty(); }

  // A part of this chunk, sharing its bytes; `offset` <= size().
  [[nodiscard]] Chunk slice(std::size_t offset, std::size_t length = std::string_view::npos) const {
    return {owner_, bytes_view_.substr(offset, length)};
  }

 private:
  std::shared_ptr<const void> owner_;
  std::string_view bytes_view_;  // into what owner_ keeps
};

}  // namespace postrider
