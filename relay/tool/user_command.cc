#include "relay/tool/user_command.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <utility>

#include "relay/auth/password.h"
#include "relay/auth/scram.h"
#include "relay/base/ascii.h"
#include "relay/config/option_table.h"
#include "relay/config/option_value.h"
#include "relay/config/users_file.h"
#include "relay/tool/check.h"
#include "relay/tool/terminal.h"
#include "relay/tool/text_table.h"
#include "relay/tool/tool.h"

namespace postrider::tool {

namespace {

// On a terminal it is asked for twice: nobody sees what is typed.
Result<std::string> read_password() {
  auto password = read_secret("Password: ");
  if (!password) return password;
  if (password->empty()) return failure("an empty password protects nothing");
  if (!can_ask()) return password;
  auto again = read_secret("Again: ");
  if (!again) return again;
  if (*again != *password) return failure("the two passwords differ");
  return password;
}

// Where the users are, and who has to read them.
struct Place {
  std::filesystem::path file;
  std::string reader;  // the system user that the relay becomes; "": unknown
};

std::optional<Place> place_of(const UserRequest& request) {
  if (!request.file.empty()) return Place{request.file, ""};
  const config::LoadResult loaded = config::load_file(request.config);
  // Another mistake of the file is no obstacle as long as the file says where the users are.
  const std::string& file = loaded.config.auth.users_file;
  if (!file.empty()) return Place{file, loaded.config.server.user};
  if (!loaded.problems.empty()) print_problems(loaded.problems);
  complain(
      fmt::format("{} does not say auth.users_file; set it there, or name the file of users "
                  "with --file FILE",
                  request.config.string()));
  return std::nullopt;
}

Result<void> set_password(auth::User& user, bool no_scram) {
  const auto password = read_password();
  if (!password) return failure(password.error());
  auto hash = auth::hash_password(*password);
  if (!hash) return failure(hash.error());
  user.password_hash = std::move(*hash);
  user.scram_verifier.clear();
  if (no_scram) return {};
  if (auto verifier = auth::make_scram_verifier(*password)) {
    user.scram_verifier = std::move(*verifier);
  } else {
    complain(verifier.error().text() + ": this account can use PLAIN and LOGIN only");
  }
  return {};
}

// The user that is asked for, still without a password.
Result<auth::User> new_user(const UserRequest& request) {
  const config::Option* option = config::find_option("user", "name");
  if (auto good = option->check(request.name); !good) return failure(good.error());
  auth::User user;
  user.name = request.name;
  const config::Record record{nullptr, nullptr, &user};
  std::vector<std::pair<std::string_view, config::Value>> values = {
      {"senders", request.senders},
      {"certificates", request.certificates},
      {"tenant", request.tenant}};
  if (!request.priority_max.empty()) values.emplace_back("priority_max", request.priority_max);
  for (const auto& [key, value] : values) {
    auto set = config::assign(*config::find_option("user", key), record, value);
    if (!set) return failure(set.error());
  }
  if (request.no_password && user.certificates.empty()) {
    return failure("without a password it needs a certificate to log in with");
  }
  return user;
}

// The users as they shall be, and what to say then.
Result<std::string> change(const UserRequest& request, std::vector<auth::User>& users) {
  const auto found = std::find_if(users.begin(), users.end(), [&](const auth::User& user) {
    return user.name == request.name;
  });
  const std::string shown = config::shown(request.name);
  if (request.action == UserRequest::Action::kAdd) {
    if (found != users.end()) return failure(fmt::format("there is a user {} already", shown));
    auto user = new_user(request);
    if (!user) return failure(user.error());
    if (!request.no_password) {
      if (auto set = set_password(*user, request.no_scram); !set) return failure(set.error());
    }
    users.push_back(*std::move(user));
    return fmt::format("added {}\n", shown);
  }
  if (found == users.end()) return failure(fmt::format("there is no user {}", shown));
  if (request.action == UserRequest::Action::kRemove) {
    users.erase(found);
    return fmt::format("removed {}\n", shown);
  }
  if (auto set = set_password(*found, request.no_scram); !set) return failure(set.error());
  return fmt::format("changed the password of {}\n", shown);
}

std::string mechanisms_of(const auth::User& user) {
  std::string all = user.has_password() ? "PLAIN LOGIN" : "";
  if (!user.scram_verifier.empty()) all += " SCRAM-SHA-256";
  if (!user.certificates.empty()) all += all.empty() ? "EXTERNAL" : " EXTERNAL";
  return all;
}

std::string list_of(const std::vector<auth::User>& users) {
  if (users.empty()) return "there are no users\n";
  TextTable table({{"NAME"}, {"LOGIN WITH"}, {"TENANT"}, {"PRIORITY"}, {"SENDERS"}});
  for (const auth::User& user : users) {
    std::string senders;
    for (const std::string& sender : user.senders) {
      if (!senders.empty()) senders += " ";
      senders += ascii::printable(sender, 80);
    }
    table.add({ascii::printable(user.name, 60), mechanisms_of(user),
               user.tenant.empty() ? "-" : user.tenant,
               std::string(message::name_of(user.priority_max)),
               senders.empty() ? "nobody" : senders});
  }
  return table.to_string();
}

int fail(const Error& error) {
  complain(error.text());
  return kFailed;
}

}  // namespace

int run_user(const UserRequest& request) {
  const auto place = place_of(request);
  if (!place) return kBadConfig;
  // Held while a password is typed: what is read here is what is replaced.
  const auto file = config::UsersFile::open(place->file);
  if (!file) return fail(file.error());
  config::UsersResult loaded = file->load();
  if (!loaded.problems.empty()) {
    print_problems(loaded.problems);
    return kBadConfig;
  }
  if (request.action == UserRequest::Action::kList) {
    print(list_of(loaded.users));
    return kDone;
  }
  const auto said = change(request, loaded.users);
  if (!said) return fail(said.error());
  if (auto replaced = file->replace(loaded.users, place->reader); !replaced) {
    return fail(replaced.error());
  }
  print(*said);
  return kDone;
}

int run_user_hash(const std::string& name) {
  const auto password = read_password();
  if (!password) {
    complain(password.error().text());
    return kFailed;
  }
  const auto hash = auth::hash_password(*password);
  if (!hash) {
    complain(hash.error().text());
    return kFailed;
  }
  print(fmt::format("{}\n\n[[user]]\nname = {}\npassword_hash = {}\n", *hash, config::quote(name),
                    config::quote(*hash)));
  return kDone;
}

}  // namespace postrider::tool
