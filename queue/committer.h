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

  // How often a failed store is reopened; less often where a try takes long.
  static constexpr Milliseconds kProbeInterval{500};
  static constexpr int kProbePause = 4;  // times what the last try took
  // How often the disk is asked for its free space: in time, and in octets written.
  static constexpr Milliseconds kSpaceInterval{500};
  static constexpr std::size_t kSpaceOctets = 1U << 20;
  // Files that stay free for the store's own work; a submission is refused below.
  static constexpr std::uint64_t kFilesReserve = 64;
  // Room of a completion in log and table, and what must be free besides those of all leases.
  static constexpr std::uint64_t kCompletionOctets = 2048;
  static constexpr std::uint64_t kLastOctets = 1U << 20;

 private:
  bool take_waiting();
  void gather(WallTime now);
  void add_to_group(Operation& operation, WallTime now);
  void run_group();
  void run_admin(AdminOp operation);
  void run_suspend(SuspendOp operation);
  bool end_suspensions();
  Result<void> write_suspensions(const std::vector<Suspension>& rules, bool begin);
  void encode_suspensions(const std::vector<Suspension>& rules);
  Result<void> write(bool sync);
  Result<void> write_watched(bool sync);
  void taken_in();
  void not_written(const Error& error);
  [[nodiscard]] bool sync_is_due() const;
  Result<void> sync();
  bool try_again();
  Result<void> repair();
  void refuse_waiting();
  Result<void> decide();
  void watch_space();
  void take_space(const Space& space);
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
  std::size_t written_ = 0;                  // octets since it was asked

  // Whether they are on disk is not known; repair() writes what memory says.
  std::vector<Suspension> doubtful_suspensions_;
  // After a failed write: group_ keeps what it was about until the disk is known to agree with
  // memory.
  bool in_doubt_ = false;
  bool reopened_ = false;  // the store, since the last failed write
  bool decided_ = false;   // whether the group took effect has been found out
  TimePoint probe_at_;
  bool given_up_ = false;  // at the end, with the store still failing
};

}  // namespace postrider::queue
