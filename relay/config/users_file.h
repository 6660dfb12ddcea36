// UsersFile: changes the file of users in one step that a crash cannot cut in half and that two at
// a time cannot mix up. Thread: one owner.
#pragma once

#include <string>
#include <vector>

#include "relay/config/config.h"

namespace postrider::config {

// The text of a file with these users.
std::string users_toml(const std::vector<auth::User>& users);

class UsersFile {
 public:
  // Waits a bounded time for whoever is changing a file of the same directory. `path` may be
  // missing: then there are no users yet. A symbolic link is followed.
  static Result<UsersFile> open(const std::filesystem::path& path);
  ~UsersFile();
  UsersFile(UsersFile&& other) noexcept;
  UsersFile& operator=(UsersFile&&) = delete;
  UsersFile(const UsersFile&) = delete;
  UsersFile& operator=(const UsersFile&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  [[nodiscard]] UsersResult load() const;
  // Replaces the file: a new one is written and synced, and takes the place of the old, whose owner
  // and mode it keeps. A first one can be read by its owner and, where root makes it, by the group
  // of `reader`, the user that the relay becomes ("": nobody). After an error the file is as
  // before.
  [[nodiscard]] Result<void> replace(const std::vector<auth::User>& users,
                                     const std::string& reader) const;

 private:
  UsersFile(std::filesystem::path path, int directory)
      : path_(std::move(path)), directory_(directory) {}

  std::filesystem::path path_;
  int directory_;  // open, and locked; -1: moved away
};

}  // namespace postrider::config
