#include "queue/stepper.h"

#include <algorithm>

namespace postrider::queue {

bool Stepper::wakes(Turn& turn, Signal& signal, TimePoint now) {
  if (turn.awake) return true;
  // As the thread does: the signal is taken when it ends a sleep.
  turn.awake = signal.take() || (turn.until && now >= *turn.until);
  return turn.awake;
}

bool Stepper::step() {
  const TimePoint now = core_.clock.now();
  if (wakes(commit_, core_.commit_signal, now)) {
    commit_.awake = committer_.step();
    commit_.until = committer_.deadline();
    if (commit_.until) commit_.until = std::max(*commit_.until, now + Milliseconds(1));
  }
  if (wakes(read_, core_.reader_signal, now)) {
    read_.awake = reader_.step();
    read_.until.reset();
    if (const auto limit = reader_.wait_limit()) read_.until = now + *limit;
  }
  return commit_.awake || read_.awake;
}

std::optional<TimePoint> Stepper::next() {
  const TimePoint now = core_.clock.now();
  if (commit_.awake || read_.awake || core_.commit_signal.raised() ||
      core_.reader_signal.raised()) {
    return now;
  }
  if (!commit_.until || !read_.until) return commit_.until ? commit_.until : read_.until;
  return std::min(*commit_.until, *read_.until);
}

}  // namespace postrider::queue
