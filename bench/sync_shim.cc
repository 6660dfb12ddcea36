// A library to preload into a relay, whichever: counts its syncs, and makes each take longer, as on
// a slower disk. For bench/compare, which does the same to every relay that it compares.
//
//   PR_SYNC_COUNTS  a file of at least sizeof(Counts) octets: shared by all processes that have it
//   PR_SYNC_DELAY   microseconds that each sync takes longer; 0 or nothing: it is only counted
//
// Delayed are the calls that wait for the disk: fsync, fdatasync, sync, syncfs, msync with MS_SYNC,
// and sync_file_range where it waits. A file opened with O_SYNC or O_DSYNC syncs with each write,
// past this library: such opens are counted, and who compares must not accept them.
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

struct Counts {
  std::atomic<std::uint64_t> fsync;
  std::atomic<std::uint64_t> fdatasync;
  std::atomic<std::uint64_t> other;  // sync, syncfs, msync, sync_file_range
  std::atomic<std::uint64_t> delayed;
  std::atomic<std::uint64_t> synchronous_opens;
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free,
              "the counts are shared by processes");

class Shim {
 public:
  Shim() {
    const char* const path = std::getenv("PR_SYNC_COUNTS");
    const char* const delay = std::getenv("PR_SYNC_DELAY");
    if (delay != nullptr) delay_ = std::strtol(delay, nullptr, 10);
    if (path == nullptr) return;
    // Not open(): that one is ours.
    const int fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
    if (fd < 0) return;
    void* const memory = ::mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::syscall(SYS_close, fd);
    if (memory != MAP_FAILED) counts_ = static_cast<Counts*>(memory);
  }

  void count(std::atomic<std::uint64_t> Counts::*which) {
    if (counts_ != nullptr) (counts_->*which).fetch_add(1, std::memory_order_relaxed);
  }

  // Behind the sync: its result, and what it left in errno, stay.
  void delay() {
    if (delay_ <= 0) return;
    const int before = errno;
    timespec rest{delay_ / 1'000'000, delay_ % 1'000'000 * 1000};
    while (::nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
    errno = before;
    count(&Counts::delayed);
  }

  void opened(int flags) {
    if ((flags & O_DSYNC) != 0) count(&Counts::synchronous_opens);  // O_SYNC has this bit, too
  }

 private:
  Counts* counts_ = nullptr;
  long delay_ = 0;
};

// Never destroyed: threads may sync while the process ends.
Shim& shim() {
  static auto* const instance = new Shim();
  return *instance;
}

// The files that it needs are there at the start, before the process becomes another user.
[[gnu::constructor]] void begin() {
  shim();
}

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int fsync(int fd) {
  static auto* const next = real<int(int)>("fsync");
  shim().count(&Counts::fsync);
  const int result = next(fd);
  shim().delay();
  return result;
}

int fdatasync(int fd) {
  static auto* const next = real<int(int)>("fdatasync");
  shim().count(&Counts::fdatasync);
  const int result = next(fd);
  shim().delay();
  return result;
}

int syncfs(int fd) noexcept {
  static auto* const next = real<int(int)>("syncfs");
  shim().count(&Counts::other);
  const int result = next(fd);
  shim().delay();
  return result;
}

void sync() noexcept {
  static auto* const next = real<void()>("sync");
  shim().count(&Counts::other);
  next();
  shim().delay();
}

int msync(void* address, std::size_t size, int flags) {
  static auto* const next = real<int(void*, std::size_t, int)>("msync");
  shim().count(&Counts::other);
  const int result = next(address, size, flags);
  if ((flags & MS_SYNC) != 0) shim().delay();
  return result;
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
  static auto* const next = real<int(int, off64_t, off64_t, unsigned)>("sync_file_range");
  shim().count(&Counts::other);
  const int result = next(fd, offset, size, flags);
  if ((flags & SYNC_FILE_RANGE_WAIT_AFTER) != 0) shim().delay();
  return result;
}

int open(const char* path, int flags, ...) {
  static auto* const next = real<int(const char*, int, ...)>("open");
  std::va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  shim().opened(flags);
  return next(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open(path, flags | O_LARGEFILE, mode);
}

int openat(int folder, const char* path, int flags, ...) {
  static auto* const next = real<int(int, const char*, int, ...)>("openat");
  std::va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  shim().opened(flags);
  return next(folder, path, flags, mode);
}

int openat64(int folder, const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return openat(folder, path, flags | O_LARGEFILE, mode);
}

}  // extern "C"
