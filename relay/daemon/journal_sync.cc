#include "relay/daemon/journal_sync.h"

#include <pthread.h>
#include <utility>

#include "relay/base/log.h"

namespace postrider::daemon {

JournalSync::JournalSync(journal::Writer& writer, Duration interval)
    : writer_(writer), interval_(interval), thread_([this] { run(); }) {}

JournalSync::~JournalSync() {
  state_.lock()->stopping = true;
  changed_.notify_all();
  thread_.join();
}

void JournalSync::note_append() {
  if (!std::exchange(state_.lock()->unsynced, true)) changed_.notify_all();
}

void JournalSync::reopen() {
  state_.lock()->reopen = true;
  changed_.notify_all();
}

void JournalSync::reopen_if_asked(Guarded<State>::Holder& state) {
  if (!std::exchange(state->reopen, false)) return;
  state.mutex_lock().unlock();
  writer_.reopen();
  log::info("journal", "reopened");
  state.mutex_lock().lock();
}

void JournalSync::run() {
  pthread_setname_np(pthread_self(), "journal-sync");
  auto state = state_.lock();
  while (!state->stopping || state->unsynced) {
    changed_.wait(state.mutex_lock(),
                  [&] { return state->stopping || state->unsynced || state->reopen; });
    reopen_if_asked(state);
    if (!state->unsynced) continue;
    // What comes within the interval goes with the same sync.
    changed_.wait_for(state.mutex_lock(), interval_,
                      [&] { return state->stopping || state->reopen; });
    state->unsynced = false;
    state.mutex_lock().unlock();
    writer_.sync();
    state.mutex_lock().lock();
    ++state->syncs;
  }
}

}  // namespace postrider::daemon
