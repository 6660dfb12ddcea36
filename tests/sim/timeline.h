// Timeline: virtual time. What is to happen stands in order of its time, then of its entry; time
// jumps from one event to the next. The whole simulation runs in it, on one thread. Thread: one.
#pragma once

#include <cstdint>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/random.h"
#include "relay/base/task.h"

namespace postrider::sim {

class Timeline final : public Clock {
 public:
  // `seed` decides everything that is left to chance below this line: the delays of posts.
  explicit Timeline(std::uint64_t seed);
  ~Timeline() override;
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  // The one that lives; the event layer has nothing else to find it by.
  static Timeline& current();

  [[nodiscard]] TimePoint now() const override { return now_; }

  [[nodiscard]] WallTime wall() const override {
    return kWallAtStart + std::chrono::duration_cast<Milliseconds>(now_ - kStart);
  }

  // A time already past counts as now.
  void at(TimePoint time, Task task);

  void after(Duration delay, Task task) { at(now_ + delay, std::move(task)); }

  // Looked at after each event. Set before anything runs.
  void set_observer(Task observer) { observer_ = std::move(observer); }

  // Runs events up to `end`, which is then now; or until end_run() is called.
  void run_until(TimePoint end);

  void run_for(Duration duration) { run_until(now_ + duration); }

  void end_run() { ended_ = true; }

  [[nodiscard]] std::uint64_t events() const { return events_; }

  // Of all that has happened, and when: equal for equal runs.
  [[nodiscard]] std::uint64_t trace() const { return trace_; }

  // More events, in one instant or in all, than any work explains: something spins.
  [[nodiscard]] bool spins() const {
    return in_this_instant_ > kEventsPerInstantMax || events_ > events_max;
  }

  std::uint64_t events_max = 20'000'000;

  Random& random() { return random_; }

  // A post reaches its thread within so long; each loop keeps its own order.
  Duration post_delay_max = std::chrono::microseconds(100);

  static constexpr TimePoint kStart{Seconds(1000)};
  static constexpr WallTime kWallAtStart{Milliseconds(1'700'000'000'000)};
  static constexpr std::uint64_t kEventsPerInstantMax = 1'000'000;

 private:
  struct Event {
    TimePoint time;
    std::uint64_t number;
    Task task;

    // The heap's top is the event that comes first.
    bool operator<(const Event& other) const {
      return time != other.time ? time > other.time : number > other.number;
    }
  };

  TimePoint now_ = kStart;
  std::vector<Event> heap_;
  std::uint64_t next_number_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t trace_ = 14695981039346656037ULL;
  std::uint64_t in_this_instant_ = 0;
  bool ended_ = false;
  Task observer_;
  SeededRandom random_;
};

// A duration drawn evenly from [from, to).
Duration between(Random& random, Duration from, Duration to);
bool chance(Random& random, double share);

}  // namespace postrider::sim
