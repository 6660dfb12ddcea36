// Daemon: the running relay. Builds the modules in order, runs them, and takes them down in order.
//
//   start   bind sockets -> become the user -> certificates -> store, journal, queue -> resolver ->
//           workers -> admin -> accept
//   stop    accept no more -> sessions end, those awaiting their final reply last; deliveries in
//           progress end -> (bounded) cut what is left -> queue commits and syncs -> threads end
//
// Thread: main.
#pragma once

#include <functional>
#include <memory>

#include "queue/rocks_store.h"
#include "relay/config/config.h"

namespace postrider::daemon {

using OpenStore = std::function<Result<std::unique_ptr<queue::Store>>(const queue::RocksOptions&)>;

// Runs until SIGTERM or SIGINT; a second one cuts the drain short. Returns the process's exit code:
// 0 after an orderly stop, 1 when it could not start (the reason is in the log).
int serve(const config::Config& config, OpenStore open_store = queue::open_rocks_store);

}  // namespace postrider::daemon
