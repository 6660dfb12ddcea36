#include "relay/delivery/text_loader.h"

#include <cstdint>
#include <memory>
#include <utility>

namespace postrider::delivery {

namespace {

using queue::Queue;
using Facts = std::optional<smtp::TextFacts>;

void load_whole(Queue& queue, Executor& executor, queue::Lease lease, TextLoaded done) {
  queue.read_body(std::move(lease), [&executor, done = std::move(done)](queue::Lease loaded,
                                                                        Result<void> read) mutable {
    executor.post(
        [done = std::move(done), loaded = std::move(loaded), read = std::move(read)]() mutable {
          if (!read) return done(std::move(loaded), failure(read.error()));
          done(std::move(loaded), Facts());
        });
  });
}

// A text that is being read through.
struct Passage {
  Queue& queue;
  Executor& executor;
  queue::Lease lease;
  TextLoaded done;
  smtp::TextSurvey survey{};
  std::uint32_t next = 0;  // piece
};

void read_next(std::unique_ptr<Passage> passage);

void take(std::unique_ptr<Passage> passage, const Result<message::Body>& piece) {
  if (!piece) {
    if (queue::is_damage(piece.error())) passage->queue.condemn(passage->lease);
    return passage->done(std::move(passage->lease), failure(piece.error()));
  }
  passage->survey.feed(*piece);
  if (passage->next < passage->lease.message().pieces()) return read_next(std::move(passage));
  passage->done(std::move(passage->lease), Facts(passage->survey.finish()));
}

void read_next(std::unique_ptr<Passage> passage) {
  Passage& now = *passage;
  now.queue.read_piece(
      now.lease, now.next++, [passage = std::move(passage)](Result<message::Body> piece) mutable {
        Executor& executor = passage->executor;
        executor.post([passage = std::move(passage), piece = std::move(piece)]() mutable {
          take(std::move(passage), piece);
        });
      });
}

}  // namespace

void load_text(Queue& queue, Executor& executor, queue::Lease lease, TextLoaded done) {
  if (lease.message().size <= Queue::kPieceSize) {
    return load_whole(queue, executor, std::move(lease), std::move(done));
  }
  read_next(
      std::unique_ptr<Passage>(new Passage{queue, executor, std::move(lease), std::move(done)}));
}

}  // namespace postrider::delivery
