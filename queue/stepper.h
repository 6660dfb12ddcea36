// Stepper: the commit thread and the reader thread without threads, for a caller that gives them
// their turns himself, so that what happens follows from a seed (tests/sim). They sleep and wake as
// the threads do: a signal that is missing is missing here too. Private to queue/. Thread: one.
#pragma once

#include <optional>

#include "queue/committer.h"
#include "queue/reader.h"

namespace postrider::queue {

class Stepper {
 public:
  Stepper(Core& core, Committer& committer, Reader& reader)
      : core_(core), committer_(committer), reader_(reader) {}

  // A turn of each that is awake; false: neither had anything to do, and both sleep.
  bool step();
  // When step() is to be called again; nullopt: not before one is signalled.
  [[nodiscard]] std::optional<TimePoint> next();

 private:
  struct Turn {
    bool awake = true;
    std::optional<TimePoint> until;  // sleeps so long at most
  };

  static bool wakes(Turn& turn, Signal& signal, TimePoint now);

  Core& core_;
  Committer& committer_;
  Reader& reader_;
  Turn commit_;
  Turn read_;
};

}  // namespace postrider::queue
