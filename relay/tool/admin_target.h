// AdminTarget: which relay the command line asks, and what to say where it refuses. Thread: main.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "relay/base/ip.h"
#include "relay/tool/admin_client.h"

namespace postrider::tool {

struct AdminTarget {
  Endpoint address;
  std::string token;
};

// What the command line says of it: `admin` as ADDR:PORT, else what the file says. `config_given`
// false: a file that is not there means the default address.
struct AdminSearch {
  std::string admin;
  std::filesystem::path config;
  bool config_given = false;
};

// The relay to ask, or the exit code after saying why there is none.
std::pair<std::optional<AdminTarget>, int> find_admin(const AdminSearch& search);
// Says why the relay did not do it; the exit code.
int report_refusal(const AdminReply& reply);

}  // namespace postrider::tool
