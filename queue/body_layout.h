// BodyLayout: in how many chunks a body lies on disk, and how long each is: exact functions of its
// octets and those of its front. Part of the schema. Thread: pure functions and values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "queue/queue.h"

namespace postrider::queue {

// Octets of a body under one key; the last chunk may be shorter, and the first is the front where
// there is one.
inline constexpr std::size_t kBodyChunkSize = 64U << 10;
static_assert(OpenBody::kPartUnit == kBodyChunkSize);

// Read together, and handed out when all of them verify.
inline constexpr std::uint32_t kChunksPerPiece = Queue::kPieceSize / kBodyChunkSize;
static_assert(Queue::kPieceSize % kBodyChunkSize == 0);

struct BodyLayout {
  std::uint64_t size = 0;
  std::uint64_t front = 0;  // of these; at most as many. 0: an ordinary body

  [[nodiscard]] constexpr std::uint32_t chunks() const {
    const std::uint64_t behind = (size - front + kBodyChunkSize - 1) / kBodyChunkSize;
    return static_cast<std::uint32_t>(behind) + first_behind();
  }

  // Octets of a chunk below chunks().
  [[nodiscard]] constexpr std::uint64_t octets(std::uint32_t chunk) const {
    if (chunk < first_behind()) return front;
    const std::uint64_t before = std::uint64_t{chunk - first_behind()} * kBodyChunkSize;
    return std::min<std::uint64_t>(kBodyChunkSize, size - front - before);
  }

  [[nodiscard]] constexpr std::uint32_t pieces() const {
    return (chunks() + kChunksPerPiece - 1) / kChunksPerPiece;
  }

 private:
  // The first chunk behind the front.
  [[nodiscard]] constexpr std::uint32_t first_behind() const { return front > 0 ? 1 : 0; }
};

inline BodyLayout layout_of(const Message& message) {
  return {message.size, message.front};
}

}  // namespace postrider::queue
