#include "relay/tool/admin_target.h"

#include <cstdlib>
#include <fmt/format.h>
#include <unistd.h>

#include "relay/admin/server.h"
#include "relay/tool/check.h"
#include "relay/tool/queue_view.h"
#include "relay/tool/terminal.h"
#include "relay/tool/tool.h"

namespace postrider::tool {

namespace {

// A token on the command line could be read by every user of the machine.
constexpr const char* kTokenVariable = "POSTRIDER_ADMIN_TOKEN";

}  // namespace

std::pair<std::optional<AdminTarget>, int> find_admin(const AdminSearch& search) {
  const char* variable = std::getenv(kTokenVariable);
  const std::string token = variable == nullptr ? "" : variable;
  if (!search.admin.empty()) {
    const auto address = Endpoint::parse(search.admin);
    if (address) return {AdminTarget{*address, token}, kDone};
    complain("--admin: " + address.error().text());
    return {std::nullopt, kUsage};
  }
  if (!search.config_given && ::access(search.config.c_str(), F_OK) != 0) {
    return {AdminTarget{admin::Options().address, token}, kDone};
  }
  const config::LoadResult loaded = config::load_file(search.config);
  // A running relay does not care about a mistake made in its file since, as long as the file says
  // where it listens.
  if (!loaded.problems.empty() && loaded.lines.empty()) {
    print_problems(loaded.problems);
    complain("name the relay's admin address with --admin ADDR:PORT, or its file with --config");
    return {std::nullopt, kBadConfig};
  }
  const admin::Options& options = loaded.config.admin;
  if (!options.enabled) {
    complain(fmt::format("{} says admin.enabled = false, so the relay cannot be asked",
                         search.config.string()));
    return {std::nullopt, kUnreachable};
  }
  return {AdminTarget{options.address, token.empty() ? options.token : token}, kDone};
}

int report_refusal(const AdminReply& reply) {
  const std::string text = error_text(reply.body);
  complain(text.empty() ? fmt::format("the relay answered with HTTP status {}", reply.code) : text);
  if (reply.code == 401) {
    complain(fmt::format("set {} to the relay's admin.token, or name its file with --config",
                         kTokenVariable));
  }
  return kFailed;
}

}  // namespace postrider::tool
