#include "queue/store_directory.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/base/log.h"

namespace postrider::queue {

namespace {

namespace fs = std::filesystem;

fs::path links_of(const std::string& directory) {
  return fs::path(directory) / "logs-before-recovery";
}

void remove_oldest_damaged(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> kept;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.path().filename().string().starts_with("damaged-")) kept.push_back(entry.path());
  }
  std::sort(kept.begin(), kept.end());
  while (kept.size() > kDamagedKept) {
    fs::remove_all(kept.front(), error);
    kept.erase(kept.begin());
  }
}

}  // namespace

Result<void> make_store_directory(const std::string& directory) {
  std::error_code error;
  const fs::path parent = fs::path(directory).parent_path();
  if (!parent.empty()) fs::create_directories(parent, error);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return failure(Error::from_errno("creating queue directory " + directory, errno));
  }

  struct stat found {};

  if (::stat(directory.c_str(), &found) != 0) {
    return failure(Error::from_errno("looking at queue directory " + directory, errno));
  }
  if (!S_ISDIR(found.st_mode)) {
    return failure("queue directory " + directory + " is not a directory", ENOTDIR);
  }
  // Root could use another's directory, and would leave files there that its owner cannot open.
  if (found.st_uid != ::geteuid()) {
    return failure("queue directory " + directory + " belongs to user " +
                       std::to_string(found.st_uid) + ", and this process is user " +
                       std::to_string(::geteuid()),
                   EACCES);
  }
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    return failure(Error::from_errno("queue directory " + directory + " cannot be written", errno));
  }
  return {};
}

bool lacks_current(const std::string& directory) {
  std::error_code error;
  if (fs::exists(fs::path(directory) / "CURRENT", error)) return false;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const fs::path ending = entry.path().extension();
    if (ending == ".sst" || ending == ".log") return true;
  }
  return false;
}

TablesBefore::TablesBefore(std::string directory) : directory_(std::move(directory)) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    if (entry.path().extension() == ".sst") names_.insert(entry.path().filename());
  }
}

void TablesBefore::remove_newer() const {
  std::error_code error;
  std::vector<fs::path> newer;
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    const fs::path& path = entry.path();
    if (path.extension() == ".sst" && !names_.contains(path.filename())) newer.push_back(path);
  }
  for (const fs::path& path : newer) fs::remove(path, error);
}

bool DamageMark::is_set() const {
  return ::access(file_.c_str(), F_OK) == 0;
}

void DamageMark::set() const {
  const int file = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

Result<void> DamageMark::remove() const {
  if (::unlink(file_.c_str()) == 0 || errno == ENOENT) return {};
  return failure(Error::from_errno("removing " + file_, errno));
}

LogsAside::LogsAside(std::string directory) : directory_(std::move(directory)) {
  const fs::path aside = links_of(directory_);
  std::error_code error;
  fs::remove_all(aside, error);
  fs::create_directory(aside, error);
  fs::permissions(aside, fs::perms::owner_all, error);
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    if (entry.path().extension() != ".log") continue;
    fs::create_hard_link(entry.path(), aside / entry.path().filename(), error);
  }
}

LogsAside::~LogsAside() {
  std::error_code error;
  fs::remove_all(links_of(directory_), error);
}

void LogsAside::keep(const std::vector<std::string>& dropped) const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto stamp = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const fs::path kept = fs::path(directory_) / ("damaged-" + std::to_string(stamp));
  // Copies, not links: the database goes on to shorten and remove its own. Where there is no room
  // for copies, links are better than nothing.
  std::error_code error;
  fs::copy(links_of(directory_), kept, fs::copy_options::recursive, error);
  if (error) {
    fs::remove_all(kept, error);
    fs::rename(links_of(directory_), kept, error);
  }
  for (const std::string& what : dropped) {
    log::warning("queue", "part of the write-ahead log was damaged and dropped",
                 {{"what", what}, {"copy", kept.string()}});
  }
  remove_oldest_damaged(directory_);
}

}  // namespace postrider::queue
