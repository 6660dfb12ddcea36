// Users: who may log in, as one table that never changes; a reload makes another one.
// Thread: immutable.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace postrider::auth {

struct User {
  std::string name;  // compared as bytes
  std::string password_hash;
  // For tests and demos, only where the configuration allows it; exactly one of the two is set.
  std::string plain_password;
  // What SCRAM-SHA-256 needs, see scram.h; "": this account cannot use it.
  std::string scram_verifier = {};
  // In whose name it may send, in the envelope and in From: patterns, see policy/senders.h.
  std::vector<std::string> senders = {};
  // Whose its messages are; "*": the message may say so itself.
  std::string tenant = {};
  // Its messages must get a DKIM signature, or are refused.
  bool signature_required = false;
  // 0: no limit; see policy/quota.h.
  std::uint64_t messages_per_minute = 0;
  std::uint64_t messages_per_day = 0;
  std::uint64_t recipients_per_day = 0;
  std::uint64_t bytes_per_day = 0;
};

class Users {
 public:
  Users() = default;

  // Of two with one name the first counts.
  explicit Users(std::vector<User> users) : users_(std::move(users)) {
    for (const User& user : users_) by_name_.emplace(user.name, &user);
  }

  Users(const Users&) = delete;
  Users& operator=(const Users&) = delete;
  ~Users() = default;

  // Null: nobody has this name.
  [[nodiscard]] const User* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  // Some user, always the same one for one number; null: there are none.
  [[nodiscard]] const User* any(std::uint64_t number) const {
    return users_.empty() ? nullptr : &users_[number % users_.size()];
  }

  // Whether somebody can use SCRAM.
  [[nodiscard]] bool has_scram() const {
    return std::any_of(users_.begin(), users_.end(),
                       [](const User& user) { return !user.scram_verifier.empty(); });
  }

  [[nodiscard]] std::size_t size() const { return users_.size(); }

 private:
  std::vector<User> users_;
  std::map<std::string_view, const User*, std::less<>> by_name_;  // names belong to users_
};

}  // namespace postrider::auth
