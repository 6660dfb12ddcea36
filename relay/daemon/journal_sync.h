// JournalSync: makes the journal durable about once a second while lines are written, and opens it
// anew when asked, on a thread of its own, so that a power cut takes the last second at most and no
// mail waits for it.
#pragma once

#include <condition_variable>
#include <thread>

#include "relay/base/clock.h"
#include "relay/base/guarded.h"
#include "relay/journal/writer.h"

namespace postrider::daemon {

class JournalSync {
 public:
  // `writer` outlives it.
  explicit JournalSync(journal::Writer& writer, Duration interval = Seconds(1));
  // Syncs what is not synced yet.
  ~JournalSync();
  JournalSync(const JournalSync&) = delete;
  JournalSync& operator=(const JournalSync&) = delete;

  // Any thread: lines were appended, and are on the disk an interval later.
  void note_append();

  // Any thread: the file is opened anew soon, as Writer::reopen() does.
  void reopen();

  // Any thread; syncs made so far.
  [[nodiscard]] unsigned syncs() { return state_.lock()->syncs; }

 private:
  struct State {
    bool unsynced = false;
    bool reopen = false;
    bool stopping = false;
    unsigned syncs = 0;
  };

  void run();
  void reopen_if_asked(Guarded<State>::Holder& state);

  journal::Writer& writer_;
  const Duration interval_;
  Guarded<State> state_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace postrider::daemon
