// A library to preload into the relay: makes calls on files below a directory fail, or pretend.
//
//   PR_FAULT_BELOW    the directory; files elsewhere are left alone
//   PR_FAULT_CONTROL  a file; while it is there, its one line says what happens:
//                     CALLS ACTION NTH COUNT
//     CALLS   names with commas: write pwrite fsync fdatasync sync_file_range open rename
//     ACTION  an errno to fail with, or 0: success is returned and nothing done
//     NTH     the first such call that is hit, counted from the file's appearance
//     COUNT   how many are hit; 0: all, until the file is gone
// Every hit adds a line with the call to PR_FAULT_CONTROL.hits, where that exists.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <mutex>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

constexpr std::size_t kPathMax = 4096;

struct Orders {
  std::string calls;  // ",write,fsync,"
  int error = 0;
  long first = 1;
  long count = 0;
};

// Calls of our own must not come back here.
int raw_open(const char* path, int flags) {
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0));
}

void raw_close(int fd) {
  ::syscall(SYS_close, fd);
}

class Control {
 public:
  // Whether this call is hit; then `error` is what it shall do.
  bool hits(std::string_view call, std::string_view path, int& error) {
    const int before = errno;
    const bool hit = starts_below(path) && is_hit(call, error);
    errno = before;
    return hit;
  }

 private:
  [[nodiscard]] bool starts_below(std::string_view path) const {
    return below_ != nullptr && control_ != nullptr &&
           path.substr(0, std::strlen(below_)) == below_;
  }

  bool is_hit(std::string_view call, int& error) {
    const std::lock_guard lock(mutex_);
    if (!read_orders()) return false;
    if (orders_.calls.find("," + std::string(call) + ",") == std::string::npos) return false;
    ++seen_;
    if (seen_ < orders_.first) return false;
    if (orders_.count > 0 && seen_ >= orders_.first + orders_.count) return false;
    error = orders_.error;
    note(call);
    return true;
  }

  bool read_orders() {
    const int fd = raw_open(control_, O_RDONLY);
    if (fd < 0) return false;

    struct stat file {};

    std::array<char, 512> text{};
    const bool good = ::fstat(fd, &file) == 0 && ::read(fd, text.data(), text.size() - 1) > 0;
    raw_close(fd);
    if (!good) return false;
    if (file.st_ino != inode_ || file.st_mtim.tv_nsec != changed_) {
      inode_ = file.st_ino;
      changed_ = file.st_mtim.tv_nsec;
      seen_ = 0;
    }
    std::array<char, 256> calls{};
    if (std::sscanf(text.data(), "%255s %d %ld %ld", calls.data(), &orders_.error, &orders_.first,
                    &orders_.count) != 4) {
      return false;
    }
    orders_.calls = "," + std::string(calls.data()) + ",";
    return true;
  }

  void note(std::string_view call) {
    const int fd = raw_open((std::string(control_) + ".hits").c_str(), O_WRONLY | O_APPEND);
    if (fd < 0) return;
    const std::string line = std::string(call) + "\n";
    ::syscall(SYS_write, fd, line.data(), line.size());
    raw_close(fd);
  }

  const char* below_ = std::getenv("PR_FAULT_BELOW");
  const char* control_ = std::getenv("PR_FAULT_CONTROL");
  std::mutex mutex_;
  Orders orders_;
  ino_t inode_ = 0;
  long changed_ = 0;
  long seen_ = 0;
};

// Never destroyed: threads may write while the process ends.
Control& control() {
  static auto* const instance = new Control();
  return *instance;
}

bool hit_path(std::string_view call, const char* path, int& error) {
  return control().hits(call, path, error);
}

bool hit_file(std::string_view call, int fd, int& error) {
  const int before = errno;
  std::array<char, kPathMax> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
  errno = before;
  return length > 0 && control().hits(call, {path.data(), static_cast<std::size_t>(length)}, error);
}

// What a call that was hit returns.
template <typename Result>
Result outcome(int error, Result success) {
  if (error == 0) return success;
  errno = error;
  return -1;
}

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, std::size_t size) {
  static auto* const next = real<ssize_t(int, const void*, std::size_t)>("write");
  int error = 0;
  if (hit_file("write", fd, error)) return outcome(error, static_cast<ssize_t>(size));
  return next(fd, data, size);
}

ssize_t pwrite(int fd, const void* data, std::size_t size, off_t offset) {
  static auto* const next = real<ssize_t(int, const void*, std::size_t, off_t)>("pwrite");
  int error = 0;
  if (hit_file("pwrite", fd, error)) return outcome(error, static_cast<ssize_t>(size));
  return next(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void* data, std::size_t size, off64_t offset) {
  return pwrite(fd, data, size, offset);
}

int fsync(int fd) {
  static auto* const next = real<int(int)>("fsync");
  int error = 0;
  return hit_file("fsync", fd, error) ? outcome(error, 0) : next(fd);
}

int fdatasync(int fd) {
  static auto* const next = real<int(int)>("fdatasync");
  int error = 0;
  return hit_file("fdatasync", fd, error) ? outcome(error, 0) : next(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
  static auto* const next = real<int(int, off64_t, off64_t, unsigned)>("sync_file_range");
  int error = 0;
  if (flags == 0) return next(fd, offset, size, flags);  // only asks whether the file system has it
  return hit_file("sync_file_range", fd, error) ? outcome(error, 0) : next(fd, offset, size, flags);
}

int rename(const char* from, const char* to) {
  static auto* const next = real<int(const char*, const char*)>("rename");
  int error = 0;
  return hit_path("rename", to, error) ? outcome(error, 0) : next(from, to);
}

int open(const char* path, int flags, ...) {
  static auto* const next = real<int(const char*, int, ...)>("open");
  std::va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  int error = 0;
  // There is no pretending to have opened a file.
  if (hit_path("open", path, error) && error != 0) return outcome(error, 0);
  return next(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const auto mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open(path, flags | O_LARGEFILE, mode);
}

}  // extern "C"
