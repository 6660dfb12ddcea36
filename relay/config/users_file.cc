#include "relay/config/users_file.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "relay/config/option_table.h"
#include "relay/config/option_value.h"

namespace postrider::config {

namespace {

namespace fs = std::filesystem;

constexpr Seconds kLockPatience{10};
constexpr Milliseconds kLockInterval{20};
constexpr mode_t kFirstMode = 0640;

constexpr std::string_view kHead =
    "# The users of postrider. Kept by `postrider user add|passwd|list|remove`, which does not\n"
    "# keep comments; what the keys mean is in the page of options under [[user]].\n";

Error system_error(std::string_view what, const fs::path& path) {
  return Error::from_errno(fmt::format("cannot {} {}", what, path.string()), errno);
}

// Not of the file itself, which is another one after every change.
Result<void> lock(int directory, const fs::path& path) {
  const TimePoint until = std::chrono::steady_clock::now() + kLockPatience;
  while (::flock(directory, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return failure(system_error("lock", path));
    if (std::chrono::steady_clock::now() >= until) {
      return failure(fmt::format("somebody else has been changing {} for {} seconds", path.string(),
                                 kLockPatience.count()));
    }
    std::this_thread::sleep_for(kLockInterval);
  }
  return {};
}

// Owner and mode of the file that is replaced; of a first one those that `reader` needs.
Result<void> inherit(int file, const fs::path& path, const std::string& reader) {
  struct stat old {};

  if (::stat(path.c_str(), &old) == 0) {
    if (::fchown(file, old.st_uid, old.st_gid) != 0) {
      return failure(system_error("keep the owner of", path));
    }
    // Behind fchown(2), which takes bits away.
    if (::fchmod(file, old.st_mode & 07777U) != 0) {
      return failure(system_error("keep the mode of", path));
    }
    return {};
  }
  const passwd* entry = ::geteuid() == 0 && !reader.empty() ? ::getpwnam(reader.c_str()) : nullptr;
  if (entry != nullptr && ::fchown(file, 0, entry->pw_gid) != 0) {
    return failure(system_error("set the group of", path));
  }
  if (::fchmod(file, entry != nullptr ? kFirstMode : 0600) != 0) {
    return failure(system_error("set the mode of", path));
  }
  return {};
}

Result<void> write_all(int file, std::string_view text, const fs::path& path) {
  while (!text.empty()) {
    const ssize_t count = ::write(file, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure(system_error("write", path));
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::fsync(file) != 0) return failure(system_error("sync", path));
  return {};
}

}  // namespace

std::string users_toml(const std::vector<auth::User>& users) {
  const auth::User defaults;
  std::string out(kHead);
  for (const auth::User& user : users) {
    out += "\n[[user]]\n";
    // Slots are writable; these are only read through.
    auth::User copy = user;
    auth::User none = defaults;
    for (const Option& option : options_of("user")) {
      const std::string value = literal(option, {nullptr, nullptr, &copy});
      if (value == literal(option, {nullptr, nullptr, &none})) continue;
      out += fmt::format("{} = {}\n", option.key, value);
    }
  }
  return out;
}

Result<UsersFile> UsersFile::open(const fs::path& path) {
  std::error_code error;
  fs::path real = fs::weakly_canonical(path, error);
  if (error) return failure(fmt::format("cannot find {}: {}", path.string(), error.message()));
  const fs::path parent = real.parent_path();
  const int directory = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return failure(system_error("open", parent));
  UsersFile file(std::move(real), directory);
  if (auto locked = lock(directory, file.path_); !locked) return failure(locked.error());
  return file;
}

UsersFile::UsersFile(UsersFile&& other) noexcept
    : path_(std::move(other.path_)), directory_(std::exchange(other.directory_, -1)) {}

UsersFile::~UsersFile() {
  if (directory_ >= 0) ::close(directory_);
}

UsersResult UsersFile::load() const {
  if (::access(path_.c_str(), F_OK) != 0 && errno == ENOENT) return {};
  return load_users(path_);
}

Result<void> UsersFile::replace(const std::vector<auth::User>& users,
                                const std::string& reader) const {
  std::string name = (path_.parent_path() / ("." + path_.filename().string() + ".XXXXXX")).string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return failure(system_error("make a file in", path_.parent_path()));
  auto done = inherit(file, path_, reader);
  if (done) done = write_all(file, users_toml(users), path_);
  if (::close(file) != 0 && done) done = failure(system_error("write", path_));
  if (done && ::rename(name.c_str(), path_.c_str()) != 0) {
    done = failure(system_error("replace", path_));
  }
  if (!done) {
    ::unlink(name.c_str());
    return done;
  }
  if (::fsync(directory_) != 0) return failure(system_error("sync", path_.parent_path()));
  return {};
}

}  // namespace postrider::config
