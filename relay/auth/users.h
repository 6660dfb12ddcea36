// Users: who may log in, as one table that never changes; a reload makes another one.
// Thread: immutable.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "relay/message/priority.h"

namespace postrider::auth {

struct User {
  std::string name;  // compared as bytes
  std::string password_hash;
  // For tests and demos, only where the configuration allows it; exactly one of the two is set.
  std::string plain_password;
  // What SCRAM-SHA-256 needs, see scram.h; "": this account cannot use it.
  std::string scram_verifier = {};
  // Of the client certificates it may log in with instead of a password, any one name: "sha256:"
  // and the fingerprint, "email:" or "dns:" and a name of the subjectAltName; in normal form.
  std::vector<std::string> certificates = {};
  // In whose name it may send, in the envelope and in From: patterns, see policy/senders.h.
  std::vector<std::string> senders = {};
  // Whose its messages are; "*": the message may say so itself.
  std::string tenant = {};
  // The highest band its messages may ask for (MT-PRIORITY).
  message::Band priority_max = message::Band::kNormal;
  // Its messages must get a DKIM signature, or are refused.
  bool signature_required = false;
  // 0: no limit; see policy/quota.h.
  std::uint64_t messages_per_minute = 0;
  std::uint64_t messages_per_day = 0;
  std::uint64_t recipients_per_day = 0;
  std::uint64_t bytes_per_day = 0;

  [[nodiscard]] bool has_password() const {
    return !password_hash.empty() || !plain_password.empty();
  }
};

class Users {
 public:
  Users() = default;

  // Of two with one name the first counts.
  explicit Users(std::vector<User> users) : users_(std::move(users)) {
    for (const User& user : users_) {
      if (by_name_.emplace(user.name, &user).second) credentials_[user.name] = digest_of(user);
      if (user.has_password()) with_password_.push_back(&user);
      for (const std::string& name : user.certificates) by_certificate_.emplace(name, &user);
    }
  }

  Users(const Users&) = delete;
  Users& operator=(const Users&) = delete;
  ~Users() = default;

  // Null: nobody has this name.
  [[nodiscard]] const User* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  // A digest of all that the user of this name can be logged in with, which is another one with
  // another password, and where the name is given to somebody else; 0: nobody has the name.
  [[nodiscard]] std::size_t credentials(std::string_view name) const {
    const auto found = credentials_.find(name);
    return found == credentials_.end() ? 0 : found->second;
  }

  // Null: the user that had these credentials is gone, or has others.
  [[nodiscard]] const User* find(std::string_view name, std::size_t had) const {
    return credentials(name) == had ? find(name) : nullptr;
  }

  // Who logs in with a certificate of these names as `identity`, which is "" where the client does
  // not say: then the one user that lists such a certificate. Null: nobody, or one of several.
  [[nodiscard]] const User* holder(const std::vector<std::string>& names,
                                   std::string_view identity) const {
    const User* found = nullptr;
    for (const std::string& name : names) {
      const auto [begin, end] = by_certificate_.equal_range(name);
      for (auto it = begin; it != end; ++it) {
        if (!identity.empty() && it->second->name != identity) continue;
        if (found != nullptr && found != it->second) return nullptr;
        found = it->second;
      }
    }
    return found;
  }

  // Whether some user lists a certificate with one of these names.
  [[nodiscard]] bool knows(const std::vector<std::string>& names) const {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return by_certificate_.contains(name); });
  }

  // Some user with a password, always the same one for one number; null: there are none.
  [[nodiscard]] const User* any(std::uint64_t number) const {
    return with_password_.empty() ? nullptr : with_password_[number % with_password_.size()];
  }

  // Whether somebody can use SCRAM.
  [[nodiscard]] bool has_scram() const {
    return std::any_of(users_.begin(), users_.end(),
                       [](const User& user) { return !user.scram_verifier.empty(); });
  }

  [[nodiscard]] std::size_t size() const { return users_.size(); }

 private:
  static std::size_t digest_of(const User& user) {
    std::string all = user.password_hash + "\n" + user.plain_password + "\n" + user.scram_verifier;
    for (const std::string& name : user.certificates) all += "\n" + name;
    return std::hash<std::string>()(all);
  }

  std::vector<User> users_;
  std::vector<const User*> with_password_;
  // Names belong to users_.
  std::map<std::string_view, const User*, std::less<>> by_name_;
  std::map<std::string_view, std::size_t, std::less<>> credentials_;
  std::multimap<std::string_view, const User*, std::less<>> by_certificate_;
};

}  // namespace postrider::auth
