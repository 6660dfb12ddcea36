// Checks: what must hold between the options of a configuration, each of which is good by itself.
// Private to config. Thread: pure, but for the system's host name.
#pragma once

#include "relay/config/config.h"
#include "relay/config/problems.h"

namespace postrider::config {

// Fills in what follows from several options; then adds what contradicts, or is missing, to
// `problems`.
void finish(Config& config, const Lines& lines, const HostNameSource& host_name,
            ProblemList& problems);

// What is wrong with the users of a file that has nothing else, `others` being there already.
void check_users(Config& config, const std::vector<auth::User>& others, const Lines& lines,
                 ProblemList& problems);

}  // namespace postrider::config
