#include "tests/sim/timeline.h"

#include <algorithm>
#include <utility>

#include "relay/base/check.h"

namespace postrider::sim {

namespace {

Timeline* living = nullptr;

constexpr std::uint64_t kTracePrime = 1099511628211ULL;  // of FNV-1a

}  // namespace

Timeline::Timeline(std::uint64_t seed) : random_(seed) {
  PR_CHECK(living == nullptr, "one timeline at a time");
  living = this;
}

Timeline::~Timeline() {
  living = nullptr;
}

Timeline& Timeline::current() {
  PR_CHECK(living != nullptr, "there is no timeline");
  return *living;
}

void Timeline::at(TimePoint time, Task task) {
  heap_.push_back({std::max(time, now_), next_number_++, std::move(task)});
  std::push_heap(heap_.begin(), heap_.end());
}

void Timeline::run_until(TimePoint end) {
  ended_ = false;
  while (!ended_ && !spins() && !heap_.empty() && heap_.front().time <= end) {
    std::pop_heap(heap_.begin(), heap_.end());
    Event event = std::move(heap_.back());
    heap_.pop_back();
    in_this_instant_ = event.time == now_ ? in_this_instant_ + 1 : 0;
    now_ = event.time;
    ++events_;
    for (const auto part :
         {static_cast<std::uint64_t>(now_.time_since_epoch().count()), event.number}) {
      trace_ = (trace_ ^ part) * kTracePrime;
    }
    event.task();
    if (observer_) observer_();
  }
  if (!ended_ && !spins()) now_ = std::max(now_, end);
}

Duration between(Random& random, Duration from, Duration to) {
  if (to <= from) return from;
  return from + Duration(static_cast<Duration::rep>(
                    random.below(static_cast<std::uint64_t>((to - from).count()))));
}

bool chance(Random& random, double share) {
  return share > 0 && random.unit() < share;
}

}  // namespace postrider::sim
