#include "relay/journal/line_file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postrider::journal {

namespace {

using FileFacts = struct stat;

constexpr mode_t kMode = 0640;

struct Written {
  std::size_t octets = 0;
  int error = 0;  // errno of the write that failed; 0: all is written
};

Written write_all(int fd, std::string_view bytes) {
  Written done;
  while (done.octets < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done.octets, bytes.size() - done.octets);
    if (n > 0) {
      done.octets += static_cast<std::size_t>(n);
    } else if (n == 0 || errno != EINTR) {
      done.error = n == 0 ? EIO : errno;
      break;
    }
  }
  return done;
}

std::uint64_t count_lines(std::string_view lines) {
  return static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
}

// Whether the file of `size` octets ends within a line. One that cannot be read is taken for whole.
bool ends_torn(const std::string& path, std::uint64_t size) {
  if (size == 0) return false;
  const Descriptor file = open_descriptor(path, O_RDONLY);
  char last = '\n';
  return file.is_open() && ::pread(file.get(), &last, 1, static_cast<off_t>(size - 1)) == 1 &&
         last != '\n';
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Descriptor open_descriptor(const std::string& path, int flags) {
  return Descriptor(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, kMode));
}

Result<LineFile> LineFile::open(const std::string& path) {
  LineFile file;
  // Without O_NONBLOCK a pipe that nobody reads would stop the daemon here and at every write.
  file.fd_ = std::make_shared<const Descriptor>(
      open_descriptor(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK));
  FileFacts facts{};
  if (!file.fd_->is_open() || ::fstat(file.fd_->get(), &facts) != 0) {
    return failure(Error::from_errno("cannot open journal " + path, errno));
  }
  file.regular_ = S_ISREG(facts.st_mode);
  if (file.regular_ && ends_torn(path, file.size())) {
    file.torn_ = write_all(file.fd_->get(), "\n").error != 0;
  }
  (void)file.size();
  return file;
}

LineFile::Lost LineFile::append(std::string_view lines) {
  if (torn_) {
    const Written ended = write_all(fd_->get(), "\n");
    if (ended.error != 0) return {count_lines(lines), ended.error};
    torn_ = false;
    ++size_bound_;
  }
  const Written written = write_all(fd_->get(), lines);
  size_bound_ += written.octets;
  const std::size_t whole = lines.substr(0, written.octets).rfind('\n') + 1;  // npos + 1 is 0
  if (whole < written.octets) torn_ = !cut_back(written.octets - whole);
  return {count_lines(lines.substr(whole)), written.error};
}

bool LineFile::cut_back(std::size_t octets) {
  return regular_ && ::ftruncate(fd_->get(), static_cast<off_t>(size() - octets)) == 0;
}

std::uint64_t LineFile::size() {
  FileFacts facts{};
  if (!regular_ || ::fstat(fd_->get(), &facts) != 0) return 0;
  size_bound_ = static_cast<std::uint64_t>(facts.st_size);
  return size_bound_;
}

bool LineFile::is_at(const std::string& path) const {
  FileFacts named{};
  FileFacts open{};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(fd_->get(), &open) == 0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

Result<void> LineFile::clear() {
  if (::ftruncate(fd_->get(), 0) == 0) return {};
  return failure(Error::from_errno("cannot empty the journal", errno));
}

Result<void> sync_lines(const Descriptor& file) {
  if (::fdatasync(file.get()) == 0) return {};
  return failure(Error::from_errno("cannot sync the journal", errno));
}

}  // namespace postrider::journal
