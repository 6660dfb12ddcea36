#include "relay/submission/body_writer.h"

#include <utility>

#include "relay/submission/receiver.h"

namespace postrider::submission {

using queue::Refusal;

BodyWriter::BodyWriter(Shared& shared, queue::MessageId id, Post post, Written written)
    : shared_(shared),
      id_(id),
      post_(std::move(post)),
      written_(std::move(written)),
      opened_(shared.queue.open_body(id)),
      digests_(shared.signer.keys()->body_forms()),
      hashes_(digests_.valid()) {}

TimePoint BodyWriter::deadline() const {
  return is_busy() ? part_since_ + kPartDeadline : TimePoint::max();
}

void BodyWriter::add(const message::Body& blocks) {
  for (const Chunk& block : blocks.chunks()) gathered_.append(block);
  if (!is_busy() && gathered_.size() >= kPartSize) write_part();
}

void BodyWriter::write_part() {
  message::Body part = std::exchange(gathered_, {});
  part_size_ = part.size();
  part_since_ = shared_.clock.now();
  awaited_ = hashes_ ? 2 : 1;
  if (hashes_) hash(part);
  opened_.append(std::move(part), [post = post_, weak = weak_from_this()](Refusal refusal) {
    post([weak, refusal] {
      if (const auto self = weak.lock()) self->answered(refusal);
    });
  });
}

void BodyWriter::hash(message::Body part) {
  auto done = [post = post_, weak = weak_from_this()](signing::BodyDigests digests) {
    post([weak, digests = std::move(digests)]() mutable {
      if (const auto self = weak.lock()) self->hashed(std::move(digests));
    });
  };
  shared_.signer.digest({std::move(digests_), std::move(part), std::move(done)});
}

void BodyWriter::hashed(signing::BodyDigests digests) {
  if (!digests.valid()) return answered(Refusal::kStopping);  // the signer has ended
  digests_ = std::move(digests);
  answered(Refusal::kNone);
}

void BodyWriter::answered(Refusal refusal) {
  if (refusal != Refusal::kNone) return written_(0, refusal);
  if (--awaited_ > 0) return;
  const Duration taken = shared_.clock.now() - part_since_;
  shared_.text_part_seconds.observe(std::chrono::duration<double>(taken).count());
  written_(std::exchange(part_size_, 0), Refusal::kNone);
  if (gathered_.size() >= kPartSize) write_part();
}

BodyWriter::Text BodyWriter::take() {
  return {std::move(opened_), std::move(gathered_), std::move(digests_)};
}

}  // namespace postrider::submission
