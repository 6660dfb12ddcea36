#include "relay/daemon/privileges.h"

#include <cerrno>
#include <filesystem>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cap-ng.h>

namespace postrider::daemon {

namespace {

Result<passwd> find_user(const std::string& user) {
  errno = 0;
  // Called before any thread is started: the static buffer of getpwnam(3) is ours.
  const passwd* entry = getpwnam(user.c_str());
  if (entry != nullptr) return *entry;
  if (errno != 0) return failure(Error::from_errno("look up user '" + user + "'", errno));
  return failure("there is no user '" + user + "' on this system (server.user)");
}

}  // namespace

bool running_as_root() {
  return geteuid() == 0;
}

Result<void> become_user(const std::string& user) {
  const auto entry = find_user(user);
  if (!entry) return failure(entry.error());
  if (entry->pw_uid == 0) return failure("server.user must not be root");
  capng_clear(CAPNG_SELECT_BOTH);
  const auto kept = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED);
  capng_update(CAPNG_ADD, kept, CAP_NET_BIND_SERVICE);
  const int rc =
      capng_change_id(static_cast<int>(entry->pw_uid), static_cast<int>(entry->pw_gid),
                      static_cast<capng_flags_t>(CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING));
  if (rc != 0) {
    return failure("cannot become user '" + user + "' (libcap-ng says " + std::to_string(rc) +
                   "; it needs CAP_SETUID, CAP_SETGID and CAP_SETPCAP)");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return failure(Error::from_errno("set no_new_privs", errno));
  }
  return {};
}

Result<void> prepare_directory(const std::string& directory, const std::string& user) {
  struct stat info {};

  if (stat(directory.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    return failure(directory + " is not a directory (server.data_dir)");
  }
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return failure("create " + directory + ": " + error.message(), error.value());
  if (chmod(directory.c_str(), 0700) != 0) {
    return failure(Error::from_errno("chmod " + directory, errno));
  }
  if (user.empty()) return {};
  const auto entry = find_user(user);
  if (!entry) return failure(entry.error());
  if (chown(directory.c_str(), entry->pw_uid, entry->pw_gid) != 0) {
    return failure(Error::from_errno("chown " + directory + " to " + user, errno));
  }
  return {};
}

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace postrider::daemon
