#include "relay/tool/queue_command.h"

#include <cstdlib>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

#include "relay/base/ascii.h"
#include "relay/tool/admin_client.h"
#include "relay/tool/check.h"
#include "relay/tool/queue_view.h"
#include "relay/tool/terminal.h"

namespace postrider::tool {

namespace {

// A token on the command line could be read by every user of the machine.
constexpr const char* kTokenVariable = "POSTRIDER_ADMIN_TOKEN";

struct Target {
  Endpoint address;
  std::string token;
};

// The relay to ask, or the exit code after saying why there is none.
using FoundTarget = std::pair<std::optional<Target>, int>;

FoundTarget target_of(const QueueRequest& request) {
  const char* variable = std::getenv(kTokenVariable);
  const std::string token = variable == nullptr ? "" : variable;
  if (!request.admin.empty()) {
    const auto address = Endpoint::parse(request.admin);
    if (address) return {Target{*address, token}, kDone};
    complain("--admin: " + address.error().text());
    return {std::nullopt, kUsage};
  }
  if (!request.config_given && ::access(request.config.c_str(), F_OK) != 0) {
    return {Target{admin::Options().address, token}, kDone};
  }
  const config::LoadResult loaded = config::load_file(request.config);
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
                         request.config.string()));
    return {std::nullopt, kUnreachable};
  }
  return {Target{options.address, token.empty() ? options.token : token}, kDone};
}

AdminClient::Parameters selection(const QueueRequest& request) {
  AdminClient::Parameters parameters;
  if (!request.id.empty()) parameters.emplace_back("id", request.id);
  if (!request.domain.empty()) parameters.emplace_back("domain", request.domain);
  if (!request.sender.empty()) parameters.emplace_back("sender", request.sender);
  if (request.all) parameters.emplace_back("all", "1");
  return parameters;
}

Result<AdminReply> ask(const QueueRequest& request, const AdminClient& client) {
  AdminClient::Parameters parameters = selection(request);
  switch (request.action) {
    case QueueRequest::Action::kShow:
      return client.send("GET", "/messages/" + request.id);
    case QueueRequest::Action::kRemove:
      return client.send("DELETE", "/messages", parameters);
    case QueueRequest::Action::kRetry:
      return client.send("POST", "/messages/retry", parameters);
    case QueueRequest::Action::kList:
      break;
  }
  if (request.limit) parameters.emplace_back("limit", fmt::format("{}", *request.limit));
  return client.send("GET", request.messages ? "/messages" : "/queue", parameters);
}

Result<std::string> changed(std::string_view body, std::string_view what) {
  const auto count = changed_messages(body);
  if (!count) return failure(count.error());
  return fmt::format(
      "{} {}\n", *count,
      *count == 1 ? fmt::format("message {}", what) : fmt::format("messages {}", what));
}

Result<std::string> answer_text(const QueueRequest& request, const std::string& body) {
  if (request.json) return body;
  switch (request.action) {
    case QueueRequest::Action::kShow:
      return show_message(body);
    case QueueRequest::Action::kRemove:
      return changed(body, "removed");
    case QueueRequest::Action::kRetry:
      return changed(body, "due now");
    case QueueRequest::Action::kList:
      break;
  }
  return request.messages ? show_messages(body) : show_queues(body);
}

std::string describe_selection(const QueueRequest& request) {
  if (request.all) return "EVERY message in the queue";
  std::string text = request.id.empty() ? "every message" : "message " + request.id;
  if (!request.domain.empty()) text += " to " + request.domain;
  if (!request.sender.empty()) text += " from " + request.sender;
  return ascii::printable(text, 700);
}

bool is_wanted(const QueueRequest& request) {
  if (request.action != QueueRequest::Action::kRemove || request.yes || !can_ask()) return true;
  return confirm("Remove " + describe_selection(request) + "? Nobody will be told.");
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

}  // namespace

int run_queue(const QueueRequest& request) {
  const bool removes_all = request.action == QueueRequest::Action::kRemove && request.all;
  if (removes_all && !request.yes && !can_ask()) {
    complain(
        "'queue remove --all' removes every message, and there is no terminal to ask on; "
        "say --yes as well");
    return kUsage;
  }
  const auto [target, code] = target_of(request);
  if (!target) return code;
  if (!is_wanted(request)) {
    complain("nothing was removed");
    return kFailed;
  }
  const AdminClient client(target->address, target->token);
  const auto reply = ask(request, client);
  if (!reply) {
    complain(reply.error().text());
    complain("is the relay running? Its address is admin.address of its configuration;");
    complain("name its file with --config FILE, or the address with --admin ADDR:PORT");
    return kUnreachable;
  }
  if (reply->code != 200) return report_refusal(*reply);
  const auto text = answer_text(request, reply->body);
  if (!text) {
    complain(client.address().to_string() + ": " + text.error().text());
    return kFailed;
  }
  print(*text);
  return kDone;
}

}  // namespace postrider::tool
