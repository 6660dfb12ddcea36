#include "relay/tool/user_command.h"

#include <fmt/format.h>

#include "relay/auth/password.h"
#include "relay/config/option_value.h"
#include "relay/tool/terminal.h"
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

}  // namespace

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
