// The relay with its queue in memory, for ThreadSanitizer: everything of it but RocksDB, which is
// not instrumented. What ships has no such option.

#include <cstdint>
#include <memory>

#include "queue/memory_store.h"
#include "relay/daemon/daemon.h"
#include "relay/tool/tool.h"

namespace {

using namespace postrider;

constexpr std::uint64_t kDiskSize = 1ULL << 40;  // so that queue.disk_reserve means something

Result<std::unique_ptr<queue::Store>> open_memory_store(const queue::RocksOptions& /*options*/) {
  auto store = std::make_unique<queue::MemoryStore>();
  store->set_space(queue::Space{.free = kDiskSize});
  return store;
}

int serve(const config::Config& config) {
  return daemon::serve(config, open_memory_store);
}

}  // namespace

int main(int argc, char** argv) {
  return tool::run(argc, argv, serve);
}
