#include "relay/tool/queue_command.h"

#include <chrono>
#include <fmt/format.h>
#include <utility>

#include "relay/base/ascii.h"
#include "relay/config/option_value.h"
#include "relay/tool/admin_client.h"
#include "relay/tool/admin_target.h"
#include "relay/tool/queue_view.h"
#include "relay/tool/terminal.h"

namespace postrider::tool {

namespace {

AdminClient::Parameters selection(const QueueRequest& request) {
  AdminClient::Parameters parameters;
  if (!request.id.empty()) parameters.emplace_back("id", request.id);
  if (!request.domain.empty()) parameters.emplace_back("domain", request.domain);
  if (!request.sender.empty()) parameters.emplace_back("sender", request.sender);
  if (!request.tenant.empty()) parameters.emplace_back("tenant", request.tenant);
  if (!request.campaign.empty()) parameters.emplace_back("campaign", request.campaign);
  const auto add_seconds = [&parameters](const char* name, const std::string& text) {
    const auto time = config::parse_duration(text);
    if (!time) return;  // not given: whatever was has been looked at
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*time);
    parameters.emplace_back(name, fmt::format("{}", seconds.count()));
  };
  add_seconds("older_than", request.older_than);
  add_seconds("for", request.duration);
  if (!request.reason.empty()) parameters.emplace_back("reason", request.reason);
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
    case QueueRequest::Action::kHold:
      return client.send("POST", "/messages/hold", parameters);
    case QueueRequest::Action::kRelease:
      return client.send("POST", "/messages/release", parameters);
    case QueueRequest::Action::kSuspend:
      return client.send("POST", "/queue/suspend", parameters);
    case QueueRequest::Action::kResume:
      return client.send("POST", "/queue/resume", parameters);
    case QueueRequest::Action::kList:
      break;
  }
  if (!request.from.empty()) parameters.emplace_back("from", request.from);
  if (request.limit) parameters.emplace_back("limit", fmt::format("{}", *request.limit));
  return client.send("GET", request.messages ? "/messages" : "/queue", parameters);
}

std::string suspension_name(const QueueRequest& request) {
  if (request.all) return "everything";
  std::string text = "mail";
  if (!request.domain.empty()) text += " to " + request.domain;
  if (!request.tenant.empty()) text += " of tenant " + request.tenant;
  if (!request.campaign.empty()) text += " of campaign " + request.campaign;
  return ascii::printable(text, 500);
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
    case QueueRequest::Action::kHold:
      return changed(body, "held");
    case QueueRequest::Action::kRelease:
      return changed(body, "released");
    case QueueRequest::Action::kSuspend:
      return suspension_name(request) + " is suspended\n";
    case QueueRequest::Action::kResume:
      return suspension_name(request) + " is resumed\n";
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
  if (!request.tenant.empty()) text += " of tenant " + request.tenant;
  if (!request.campaign.empty()) text += " of campaign " + request.campaign;
  if (!request.older_than.empty()) text += " older than " + request.older_than;
  return ascii::printable(text, 700);
}

bool is_wanted(const QueueRequest& request) {
  if (request.action != QueueRequest::Action::kRemove || request.yes || !can_ask()) return true;
  return confirm("Remove " + describe_selection(request) + "? Nobody will be told.");
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
  const auto [target, code] = find_admin({request.admin, request.config, request.config_given});
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
