// Reader: what the reader thread does: finds what is due on disk and hands it out, loads bodies,
// and finds what operators' selectors match. Thread: one; tests call step() themselves.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "queue/core.h"

namespace postrider::queue {

class Reader {
 public:
  explicit Reader(Core& core) : core_(core) {}

  // Some of each kind of work. False: there is none before deadline() or the next signal.
  bool step();
  // How long from now until step() may have something without being signalled.
  [[nodiscard]] std::optional<Duration> wait_limit();
  // Answers everything that waits with an error; nothing is taken any more.
  void close();

  // Leases that a queue gets in one turn before the next queue has its own.
  static constexpr std::size_t kTurn = 64;
  // Entries of the due index looked at in one turn: leased ones are passed, not taken.
  static constexpr std::size_t kLooksMax = 4096;
  // After an error of the store.
  static constexpr Milliseconds kErrorPause{500};
  // A write that takes longer than this pauses delivery: its completions could not be recorded.
  static constexpr Milliseconds kSlowWrite{1000};

 private:
  struct Turn;

  bool read_bodies();
  void read(BodyRequest request);
  void read(PieceRequest request);
  Result<message::Body> load_chunks(const MessageId& id, const BodyLayout& layout,
                                    std::uint32_t first, std::uint32_t end);
  bool run_jobs();
  bool run(const std::shared_ptr<Job>& job);
  bool give_turns();
  void give_turn(QueueEntry& queue, WallTime now, std::vector<Lease>& leases);
  void take_returned(QueueEntry& queue, Turn& turn);
  void set_aside(const QueueEntry& queue, Turn& turn);
  Result<void> scan(QueueEntry& queue, WallTime now, Turn& turn);
  bool take(QueueEntry& queue, const std::vector<Position>& found, Turn& turn);
  void load(const Turn& turn, std::vector<Lease>& leases);
  Result<std::optional<Lease>> load_one(const Position& position);
  Result<std::shared_ptr<const Message>> load_message(const DeliveryKey& delivery);
  void pause(const Error& error);
  [[nodiscard]] bool write_is_slow() const;

  Core& core_;
  std::shared_ptr<const Message> last_message_;  // deliveries of one message often come together
  TimePoint paused_until_;                       // no scanning before
};

}  // namespace postrider::queue
