#include "relay/config/file_access.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relay/base/ascii.h"

namespace postrider::config {

namespace {

namespace fs = std::filesystem;

enum class Use : std::uint8_t {
  kRead,
  kUseDirectory,
  kMakeDirectory,  // the relay makes it where it is missing, before it gives up being root
  kWriteIfThere,   // whether it can be made its directory tells
};

struct Needed {
  std::string option;  // who names it
  std::string path;
  Use use;
};

struct Identity {
  std::string name;
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;
};

// What the use of one path met.
struct Finding {
  int code = 0;             // errno
  bool is_missing = false;  // the path is not there; `code` is that of making it
};

void add_file(std::vector<Needed>& needed, const std::string& option, const std::string& path) {
  if (!path.empty()) needed.push_back({option, path, Use::kRead});
}

std::vector<Needed> files_of(const Config& config) {
  std::vector<Needed> needed;
  add_file(needed, "tls.certificate", config.tls.certificate_file);
  add_file(needed, "tls.key", config.tls.key_file);
  add_file(needed, "auth.users_file", config.auth.users_file);
  for (const submission::ListenerOptions& listener : config.submission.listeners) {
    add_file(needed, "listener.certificate", listener.certificate);
    add_file(needed, "listener.key", listener.key);
    add_file(needed, "listener.client_ca", listener.client_ca);
  }
  const auto& keys = config.signing.keys;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    add_file(needed, fmt::format("dkim[{}].key", i), keys[i].key_file);
  }
  add_file(needed, "delivery.ca_file", config.delivery.ca_file);
  for (const delivery::RouteOptions& route : config.delivery.routes) {
    add_file(needed, "route.password_file", route.password_file);
  }
  needed.push_back({"server.data_dir", config.server.data_dir, Use::kMakeDirectory});
  // Left behind by a start as another user.
  needed.push_back({"server.data_dir", config.store.directory, Use::kWriteIfThere});
  if (!config.journal.file.empty()) {
    const fs::path directory = fs::path(config.journal.file).parent_path().lexically_normal();
    // The data directory is made where it is missing, and is looked at already.
    if (directory != fs::path(config.server.data_dir).lexically_normal()) {
      needed.push_back({"journal.file", directory.string(), Use::kUseDirectory});
    }
    needed.push_back({"journal.file", config.journal.file, Use::kWriteIfThere});
  }
  return needed;
}

// Opening tells more than access(2): it is what will be done.
int try_read(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return errno;

  struct stat about {};

  const bool is_file = ::fstat(file, &about) == 0 && !S_ISDIR(about.st_mode);
  ::close(file);
  return is_file ? 0 : EISDIR;
}

// The nearest directory above `path` that is there.
std::string existing_parent(const std::string& path) {
  fs::path parent = fs::path(path).parent_path();
  while (parent.has_relative_path() && ::access(parent.c_str(), F_OK) != 0 && errno == ENOENT) {
    parent = parent.parent_path();
  }
  return parent.string();
}

int try_write_directory(const std::string& path) {
  struct stat about {};

  if (::stat(path.c_str(), &about) != 0) return errno;
  if (!S_ISDIR(about.st_mode)) return ENOTDIR;
  return ::access(path.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
}

// In the identity of the calling process: real and effective user are the same here.
Finding look_at(const Needed& needed) {
  switch (needed.use) {
    case Use::kRead:
      return {try_read(needed.path)};
    case Use::kWriteIfThere: {
      const int code = ::access(needed.path.c_str(), W_OK) == 0 ? 0 : errno;
      return {code == ENOENT ? 0 : code};
    }
    case Use::kUseDirectory:
      return {try_write_directory(needed.path)};
    case Use::kMakeDirectory:
      break;
  }
  const int code = try_write_directory(needed.path);
  if (code != ENOENT) return {code};
  return {try_write_directory(existing_parent(needed.path)), true};
}

std::vector<Finding> look_at_all(const std::vector<Needed>& needed) {
  std::vector<Finding> findings;
  findings.reserve(needed.size());
  for (const Needed& one : needed) findings.push_back(look_at(one));
  return findings;
}

Result<Identity> find_user(const std::string& name) {
  std::array<char, 16'384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  const int code = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (code != 0) {
    return failure(Error::from_errno(fmt::format("cannot look up user '{}'", name), code));
  }
  if (found == nullptr) return failure(fmt::format("there is no user '{}' on this system", name));
  Identity identity{name, entry.pw_uid, entry.pw_gid, {}};
  int count = 64;
  identity.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(name.c_str(), entry.pw_gid, identity.groups.data(), &count) < 0) {
    // `count` now says how many there are.
    identity.groups.resize(static_cast<std::size_t>(count));
    ::getgrouplist(name.c_str(), entry.pw_gid, identity.groups.data(), &count);
  }
  identity.groups.resize(static_cast<std::size_t>(count));
  return identity;
}

// In the child: becomes the user, looks, writes the findings, ends without running any destructor
// of the parent's.
[[noreturn]] void look_in_child(const Identity& identity, const std::vector<Needed>& needed,
                                int out) {
  if (::setgroups(identity.groups.size(), identity.groups.data()) != 0 ||
      ::setgid(identity.group) != 0 || ::setuid(identity.user) != 0) {
    ::_exit(errno == 0 ? EPERM : errno);
  }
  const std::vector<Finding> findings = look_at_all(needed);
  const auto size = static_cast<ssize_t>(findings.size() * sizeof(Finding));
  const bool written = ::write(out, findings.data(), static_cast<std::size_t>(size)) == size;
  ::_exit(written ? 0 : EIO);
}

Result<std::vector<Finding>> read_findings(int in, std::size_t count) {
  std::vector<Finding> findings(count);
  auto* bytes = reinterpret_cast<char*>(findings.data());
  const std::size_t wanted = count * sizeof(Finding);
  std::size_t got = 0;
  while (got < wanted) {
    const ssize_t size = ::read(in, bytes + got, wanted - got);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return failure("the child ended early");
    got += static_cast<std::size_t>(size);
  }
  return findings;
}

Result<std::vector<Finding>> look_as(const Identity& identity, const std::vector<Needed>& needed) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failure(Error::from_errno("pipe", errno));
  const pid_t child = ::fork();
  if (child == 0) look_in_child(identity, needed, ends[1]);
  const int fork_error = errno;
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    return failure(Error::from_errno("fork", fork_error));
  }
  auto findings = read_findings(ends[0], needed.size());
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
    return failure(Error::from_errno("becoming that user", WEXITSTATUS(status)));
  }
  return findings;
}

std::string describe(const Needed& needed, const Finding& finding, const std::string& user) {
  const std::string path = ascii::printable(needed.path, 300);
  const std::string cause = std::strerror(finding.code);
  if (finding.is_missing) {
    return fmt::format("{} does not exist, and user '{}' cannot make it: {}", path, user, cause);
  }
  if (needed.use == Use::kUseDirectory && finding.code == ENOENT) {
    return fmt::format("{} does not exist; make it with 'install -d -o {} -m 750 {}'", path, user,
                       path);
  }
  const std::string_view verb = needed.use == Use::kRead ? "read" : "write to";
  return fmt::format("user '{}' cannot {} {}: {}", user, verb, path, cause);
}

std::vector<Problem> problems_of(const std::vector<Needed>& needed,
                                 const std::vector<Finding>& findings, const std::string& user) {
  std::vector<Problem> problems;
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (findings[i].code == 0) continue;
    Problem problem{needed[i].option, describe(needed[i], findings[i], user)};
    // Several listeners may name one file.
    if (std::find(problems.begin(), problems.end(), problem) == problems.end()) {
      problems.push_back(std::move(problem));
    }
  }
  return problems;
}

std::string own_name() {
  std::array<char, 16'384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found);
  return found != nullptr ? found->pw_name : std::to_string(::geteuid());
}

}  // namespace

std::vector<Problem> check_file_access(const Config& config) {
  const std::vector<Needed> needed = files_of(config);
  if (::geteuid() != 0) return problems_of(needed, look_at_all(needed), own_name());
  const std::string& name = config.server.user;
  if (name.empty()) {
    return {{"server.user",
             "missing; started as root, the relay must know which user to become, like "
             "\"postrider\""}};
  }
  const auto identity = find_user(name);
  if (!identity) return {{"server.user", identity.error().text()}};
  if (identity->user == 0) {
    return {{"server.user", fmt::format("'{}' is root; name a user without rights", name)}};
  }
  auto findings = look_as(*identity, needed);
  if (!findings) {
    return {{"server.user",
             fmt::format("cannot try the files as user '{}': {}", name, findings.error().text())}};
  }
  for (Finding& finding : *findings) {
    // We are root, and make it.
    if (finding.is_missing) finding.code = 0;
  }
  return problems_of(needed, *findings, name);
}

}  // namespace postrider::config
