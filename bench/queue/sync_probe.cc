#include "bench/queue/sync_probe.h"

#include <atomic>
#include <fcntl.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace postrider::bench {

namespace {

std::atomic<std::uint64_t> count{0};
std::atomic<std::int64_t> delay_us{0};

int counted(long result) {
  ++count;
  const std::int64_t delay = delay_us;
  if (delay > 0) std::this_thread::sleep_for(std::chrono::microseconds(delay));
  return static_cast<int>(result);
}

}  // namespace

std::uint64_t syncs() {
  return count;
}

void set_sync_delay(std::chrono::microseconds delay) {
  delay_us = delay.count();
}

}  // namespace postrider::bench

// In an executable these come before those of the C library, for shared libraries too.
extern "C" {

int fsync(int file) {
  return postrider::bench::counted(::syscall(SYS_fsync, file));
}

int fdatasync(int file) {
  return postrider::bench::counted(::syscall(SYS_fdatasync, file));
}

int sync_file_range(int file, off64_t offset, off64_t octets, unsigned flags) {
  return postrider::bench::counted(::syscall(SYS_sync_file_range, file, offset, octets, flags));
}
}
