// OpenBodyParts: the way into an OpenBody for those who make it and who submit it. Private to
// queue/. Thread: that of the owner.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "queue/queue.h"

namespace postrider::queue {

// What has become of the latest part; shared by the OpenBody and the write under way.
enum class PartState : std::uint8_t { kDone, kUnderWay, kRefused };

using SharedPartState = std::shared_ptr<std::atomic<PartState>>;

struct OpenBodyParts {
  // What a submission takes over.
  struct Taken {
    std::uint64_t written = 0;  // octets of parts, whole chunks
    message::Body rest;
  };

  static OpenBody make(Core& core, const MessageId& id);
  // Where a submission has one: it is for this message, no part is under way or refused, and there
  // is a front.
  static void check(const Submission& submission);
  // Octets of its text that a submission holds in memory.
  static std::size_t held(const Submission& submission);
  // It is nobody's any more: what was written is in the hands of the caller.
  static Taken take(OpenBody& body);
};

}  // namespace postrider::queue
