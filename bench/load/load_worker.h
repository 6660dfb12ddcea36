// LoadWorker: one thread's sessions and the work they get: as fast as they can (closed loop), or as
// it falls due (open loop). Thread: built and read by one owner; run() on a thread of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "bench/load/load_session.h"
#include "relay/event/loop.h"
#include "relay/event/timer.h"

namespace postrider::bench {

class LoadWorker final : public LoadSource {
 public:
  // A lost connection is tried again after this time.
  static constexpr Milliseconds kReconnectPause{200};

  struct Share {
    std::uint64_t sessions = 1;
    double rate = 0;  // messages a second; 0: closed loop
    std::uint64_t seed = 0;
  };

  // `last_number` numbers the messages of all workers.
  static Result<std::unique_ptr<LoadWorker>> create(const LoadParts& parts, const Share& share,
                                                    std::atomic<std::uint64_t>& last_number);

  // Until all is sent, nothing can be sent any more, or the time is up.
  void run();

  // After run().
  [[nodiscard]] const LoadTally& tally() const { return tally_; }

  // When the first message was begun and the last final reply came; equal if there was none.
  [[nodiscard]] TimePoint began() const { return began_; }

  [[nodiscard]] TimePoint ended() const { return ended_; }

  [[nodiscard]] bool timed_out() const { return timed_out_; }

  void on_ready(LoadSession& session) override;
  void on_closed(LoadSession& session, bool failed) override;

 private:
  struct Seat {
    std::unique_ptr<LoadSession> session;
    bool settled = false;  // was ready once, or failed
    bool gone = false;
    std::uint64_t failures = 0;  // in a row
    TimePoint retry = TimePoint::max();
  };

  LoadWorker(std::unique_ptr<event::Loop> loop, const LoadParts& parts, const Share& share,
             std::atomic<std::uint64_t>& last_number);

  Seat& seat_of(const LoadSession& session);
  void settle(Seat& seat);
  void tick();
  void give_work();
  bool give(LoadSession& session);
  [[nodiscard]] bool may_start_more(TimePoint at) const;
  [[nodiscard]] std::uint64_t due_by(TimePoint at) const;
  void leave(Seat& seat);

  std::unique_ptr<event::Loop> loop_;
  LoadParts parts_;
  Share share_;
  std::atomic<std::uint64_t>& last_number_;
  LoadTally tally_;
  std::vector<Seat> seats_;
  std::vector<LoadSession*> idle_;
  std::uint64_t settled_ = 0;
  std::uint64_t gone_ = 0;
  std::uint64_t taken_ = 0;  // open loop: due messages that were begun
  bool open_for_work_ = false;
  bool timed_out_ = false;
  TimePoint give_up_{};
  TimePoint began_{};
  TimePoint ended_{};
  event::Timer timer_;
};

}  // namespace postrider::bench
