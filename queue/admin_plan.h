// admin_plan: turns the work of operators, and of quarantine, into planned changes, by reading what
// is on disk. Thread: the commit thread, between writes: nothing else changes what it reads.
#pragma once

#include <cstdint>

#include "queue/commit_group.h"
#include "queue/core.h"

namespace postrider::queue {

// Adds to `group` what `operation` asks for, and holds the deliveries concerned. Those that are
// leased are marked instead (removal) or left alone (retry now). Returns how many messages had a
// delivery that matched. After an error the group must be cancelled.
Result<std::uint64_t> plan_admin(Core& core, const AdminOp& operation, WallTime now,
                                 CommitGroup& group);

}  // namespace postrider::queue
