// Committer: what the commit thread does: gathers what waits into groups, writes each group as one
// batch, keeps the promise about syncs, and finds the way back after the store has failed.
// Thread: one; tests call step() themselves.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "queue/commit_group.h"
#include "queue/core.h"

namespace postrider::queue {

class Committer {
 public:
  explicit Committer(Core& core);

  // One group, a sync that is due, or a try whether the store works again. False: there is nothing
  // to do before deadline() or the next signal.
  bool step();
  // When step() has something to do without being signalled.
  [[nodiscard]] std::optional<TimePoint> deadline() const;

  // Nothing is written that a power loss could take back.
  [[nodiscard]] bool all_synced() const { return !unsynced_since_; }

  // Everything that waits is done or answered, and synced. Nothing may be added any more.
  void finish_all();

  // How often a failed store is tried, and how often the disk is asked for its free space.
  static constexpr Milliseconds kProbeInterval{500};
  static constexpr Milliseconds kSpaceInterval{500};

 private:
  bool take_waiting();
  void gather(WallTime now);
  void run_group();
  void run_admin(AdminOp operation);
  Result<void> write(bool sync);
  void taken_in();
  void not_written(const Error& error);
  void sync();
  bool try_again();
  Result<void> repair();
  void watch_space();
  void give_up();
  bool close();

  Core& core_;
  std::unique_ptr<Batch> batch_;
  CommitGroup group_;
  std::vector<Operation> taken_;  // from those waiting; the first next_ of them are done
  std::size_t next_ = 0;
  Totals totals_;                            // as committed
  std::optional<TimePoint> unsynced_since_;  // the oldest write that no sync has covered
  TimePoint space_at_;                       // when the disk is asked again

  // After a failed write: group_ keeps what it was about until the disk is known to agree with
  // memory.
  bool in_doubt_ = false;
  bool decided_ = false;  // whether it took effect has been found out
  TimePoint probe_at_;
  bool given_up_ = false;  // at the end, with the store still failing
};

}  // namespace postrider::queue
