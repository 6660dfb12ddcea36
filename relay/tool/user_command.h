// `postrider user`: keeps the file of users, and makes what [[user]] needs. No secret is ever
// printed but a hash that was asked for. Thread: main.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace postrider::tool {

struct UserRequest {
  enum class Action { kAdd, kPassword, kRemove, kList };
  Action action = Action::kList;
  std::filesystem::path config;
  std::filesystem::path file;  // of users; "": as the configuration says
  std::string name;
  bool no_scram = false;
  std::vector<std::string> senders;       // of a user that is added
  std::vector<std::string> certificates;  // likewise
  bool no_password = false;               // it has a certificate
  std::string tenant;
  std::string priority_max;  // a band; "": as the option's default
};

// Exit code.
int run_user(const UserRequest& request);

// Reads a password, prints its hash and the lines for the configuration. Exit code.
int run_user_hash(const std::string& name);

}  // namespace postrider::tool
