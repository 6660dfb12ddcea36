#include "bench/load/load_worker.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace postrider::bench {

namespace {

constexpr Milliseconds kTickOpen{1};
constexpr Milliseconds kTickClosed{20};

}  // namespace

Result<std::unique_ptr<LoadWorker>> LoadWorker::create(const LoadParts& parts, const Share& share,
                                                       std::atomic<std::uint64_t>& last_number) {
  auto loop = event::Loop::create();
  if (!loop) return failure(loop.error());
  return std::unique_ptr<LoadWorker>(new LoadWorker(*std::move(loop), parts, share, last_number));
}

LoadWorker::LoadWorker(std::unique_ptr<event::Loop> loop, const LoadParts& parts,
                       const Share& share, std::atomic<std::uint64_t>& last_number)
    : loop_(std::move(loop)),
      parts_(parts),
      share_(share),
      last_number_(last_number),
      timer_(*loop_, [this] { tick(); }) {
  Dice dice(share.seed);
  seats_.resize(share.sessions);
  for (Seat& seat : seats_) {
    seat.session = std::make_unique<LoadSession>(*loop_, parts_, tally_, *this, dice.roll());
  }
}

void LoadWorker::run() {
  began_ = ended_ = Monotonic::now();
  give_up_ = began_ + parts_.options.timeout;
  timer_.arm(Monotonic::now());
  // Through the loop: connect() may fail at once, and then tells this object.
  loop_->post([this] {
    for (Seat& seat : seats_) seat.session->connect();
  });
  loop_->run();
  timer_.disarm();
}

LoadWorker::Seat& LoadWorker::seat_of(const LoadSession& session) {
  return *std::find_if(seats_.begin(), seats_.end(),
                       [&](const Seat& seat) { return seat.session.get() == &session; });
}

// The load begins when every session is connected, or cannot be: what connecting costs is not part
// of it.
void LoadWorker::settle(Seat& seat) {
  if (seat.settled) return;
  seat.settled = true;
  if (++settled_ < seats_.size()) return;
  open_for_work_ = true;
  began_ = ended_ = Monotonic::now();
  loop_->post([this] { give_work(); });
}

void LoadWorker::on_ready(LoadSession& session) {
  if (open_for_work_) {
    ended_ = Monotonic::now();
    if (give(session)) return;
    idle_.push_back(&session);
  } else {
    idle_.push_back(&session);
    settle(seat_of(session));
  }
}

// True: the session has a message now, or is quitting.
bool LoadWorker::give(LoadSession& session) {
  const TimePoint at = ended_;
  TimePoint due = at;
  if (!may_start_more(at)) {
    session.quit();
    return true;
  }
  if (share_.rate > 0) {
    if (due_by(at) <= taken_) return false;
    const double seconds = static_cast<double>(taken_) / share_.rate;
    due = began_ + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    ++taken_;
  }
  const std::uint64_t number = last_number_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (parts_.options.messages > 0 && number > parts_.options.messages) {
    session.quit();
  } else {
    session.send(number, due);
  }
  return true;
}

bool LoadWorker::may_start_more(TimePoint at) const {
  const LoadOptions& options = parts_.options;
  if (timed_out_) return false;
  if (options.duration.count() > 0 && at - began_ >= options.duration) return false;
  return options.messages == 0 || last_number_.load(std::memory_order_relaxed) < options.messages;
}

// Message number k, from 0, is due k / rate after the beginning, and before the end.
std::uint64_t LoadWorker::due_by(TimePoint at) const {
  const std::chrono::duration<double> run = at - began_;
  const std::chrono::duration<double> limit = parts_.options.duration;
  const auto due = static_cast<std::uint64_t>(run.count() * share_.rate) + 1;
  if (limit.count() <= 0) return due;
  return std::min(due, static_cast<std::uint64_t>(std::ceil(limit.count() * share_.rate)));
}

void LoadWorker::give_work() {
  std::vector<LoadSession*> waiting = std::exchange(idle_, {});
  while (!waiting.empty()) {
    LoadSession* const session = waiting.back();
    waiting.pop_back();
    const TimePoint at = Monotonic::now();
    // Only replies move the end of the run.
    const TimePoint ended = std::exchange(ended_, at);
    const bool given = give(*session);
    ended_ = ended;
    if (given) continue;
    idle_.push_back(session);
    idle_.insert(idle_.end(), waiting.begin(), waiting.end());
    return;
  }
}

void LoadWorker::on_closed(LoadSession& session, bool failed) {
  Seat& seat = seat_of(session);
  std::erase(idle_, &session);
  settle(seat);
  if (session.accepted_here() > 0) seat.failures = 0;
  if (failed) ++seat.failures;
  if (timed_out_ || !may_start_more(Monotonic::now()) ||
      seat.failures > parts_.options.reconnects) {
    leave(seat);
  } else if (failed) {
    seat.retry = Monotonic::now() + kReconnectPause;
  } else {
    // In a later turn: a peer that closes at once must not make this recursive.
    loop_->post([&session] { session.connect(); });
  }
}

void LoadWorker::leave(Seat& seat) {
  if (std::exchange(seat.gone, true)) return;
  if (++gone_ < seats_.size()) return;
  if (share_.rate > 0 && open_for_work_) {
    const std::uint64_t due = due_by(Monotonic::now());
    const bool counted = parts_.options.messages > 0;
    tally_.behind = due > taken_ && !counted ? due - taken_ : 0;
  }
  loop_->stop();
}

void LoadWorker::tick() {
  const TimePoint at = Monotonic::now();
  if (at >= give_up_ && !timed_out_) {
    timed_out_ = true;
    for (Seat& seat : seats_) {
      seat.session->abandon("timeout");
      leave(seat);
    }
    return;
  }
  for (Seat& seat : seats_) {
    if (seat.gone || seat.retry > at) continue;
    seat.retry = TimePoint::max();
    seat.session->connect();
  }
  if (open_for_work_) give_work();
  timer_.arm(at + (share_.rate > 0 ? kTickOpen : kTickClosed));
}

}  // namespace postrider::bench
