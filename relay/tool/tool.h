// The command line: parses arguments, runs a sub-command. What needs the daemon is handed in by
// main.cc.
//
// Exit codes: 0 done; 1 the operation failed (message on stderr); 2 wrong usage; 3 the
// configuration is wrong; 4 the running relay could not be reached. Thread: main.
#pragma once

#include <functional>
#include <string>

#include "relay/config/config.h"

namespace postrider::tool {

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kBadConfig = 3, kUnreachable = 4 };

// Runs the relay with a configuration already checked, until it is told to stop; returns the exit
// code.
using Serve = std::function<int(const config::Config&)>;

int run(int argc, char** argv, const Serve& serve);

}  // namespace postrider::tool
