// BodyWriter: the text of a message that is too large to be held whole, on its way to the queue's
// store while it arrives. Gathers blocks, writes them in parts of 256 KiB or more, and meanwhile
// hashes those on the signer's threads, where there are keys.
//
// At most one part is under way; while is_behind(), another waits for it, and the owner brings no
// more. Thread: loop-affine.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "queue/queue.h"
#include "relay/base/bytes.h"
#include "relay/base/clock.h"
#include "relay/base/task.h"
#include "relay/message/body.h"
#include "relay/signing/body_digests.h"

namespace postrider::submission {

struct Shared;

class BodyWriter : public std::enable_shared_from_this<BodyWriter> {
 public:
  // Octets of each block that is gathered; and from how many on they make a part.
  static constexpr std::size_t kBlockSize = queue::OpenBody::kPartUnit;
  static constexpr std::size_t kPartSize = queue::Queue::kPieceSize;
  // A part that is not written by then will not be waited for.
  static constexpr Duration kPartDeadline = Seconds(30);

  // Runs a function on the loop of the session, if that is still there. Any thread.
  using Post = std::function<void(Task)>;
  // A part of so many octets is written; or it was refused, and nothing more can be added. Called
  // on the loop; may destroy the writer.
  using Written = UniqueFunction<void(std::size_t octets, queue::Refusal)>;

  // For the message that will have this id. `shared` outlives it; `post` what it is asked for.
  BodyWriter(Shared& shared, queue::MessageId id, Post post, Written written);
  BodyWriter(const BodyWriter&) = delete;
  BodyWriter& operator=(const BodyWriter&) = delete;
  // What was written is erased, unless it has been taken. A part may be under way.
  ~BodyWriter() = default;

  // Whole blocks, behind those before them.
  void add(const message::Body& blocks);

  // Whatever is added now waits for the part that is under way.
  [[nodiscard]] bool is_behind() const { return is_busy() && gathered_.size() >= kPartSize; }

  // A part is under way: its owner must not take() yet.
  [[nodiscard]] bool is_busy() const { return awaited_ > 0; }

  // When to give the message up; max(): nothing is under way.
  [[nodiscard]] TimePoint deadline() const;

  [[nodiscard]] const queue::MessageId& id() const { return id_; }

  // What a message is made of in the end.
  struct Text {
    queue::OpenBody opened;        // without its end
    message::Body rest;            // blocks that were gathered since
    signing::BodyDigests digests;  // of what is opened; not valid: there are no keys
  };

  // Once, while it is not busy; then it is at its end.
  Text take();

 private:
  void write_part();
  void hash(message::Body part);
  void hashed(signing::BodyDigests digests);
  void answered(queue::Refusal refusal);

  Shared& shared_;
  const queue::MessageId id_;
  const Post post_;
  Written written_;
  queue::OpenBody opened_;
  signing::BodyDigests digests_;  // away while a part is hashed
  const bool hashes_;
  message::Body gathered_;
  std::size_t part_size_ = 0;  // of the part that is under way
  TimePoint part_since_;
  unsigned awaited_ = 0;  // answers about it: of the store, and of the signer where it is asked
};

}  // namespace postrider::submission
