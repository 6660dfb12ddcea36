#include "relay/admin/routes.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "relay/admin/parameters.h"
#include "relay/base/ascii.h"

namespace postrider::admin {

namespace {

using Json = nlohmann::json;

// Addresses may hold any octet that SMTPUTF8 let through; JSON must be UTF-8.
std::string write(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Response refuse(int code, std::string_view why) {
  return {code, write({{"error", why}})};
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const char other = i < a.size() ? a[i] : '\0';
    difference |= static_cast<unsigned char>(other ^ b[i]);
  }
  return difference == 0;
}

// Whether Host (RFC 9110 section 7.2) is an IP literal or "localhost", with a port or without: what
// nobody else's DNS can point at this machine. Browsers never leave it out.
bool is_own_name(std::string_view host) {
  if (host.empty()) return true;
  std::string_view name_view = host;
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && !host.ends_with(']')) {
    if (!ascii::parse_u64(host.substr(colon + 1))) return false;
    name_view = host.substr(0, colon);
  }
  if (ascii::iequals(name_view, "localhost")) return true;
  const bool bracketed = name_view.starts_with('[') && name_view.ends_with(']');
  if (bracketed) name_view = name_view.substr(1, name_view.size() - 2);
  return IpAddress::parse(name_view).has_value();
}

std::int64_t seconds_between(WallTime from, WallTime to) {
  return std::chrono::duration_cast<Seconds>(to - from).count();
}

Json to_json(const queue::Suspension& suspension, WallTime now) {
  Json json = {{"domain", suspension.domain},
               {"tenant", suspension.tenant},
               {"campaign", suspension.campaign},
               {"reason", suspension.reason},
               {"ends", nullptr},
               {"ends_in_seconds", nullptr}};
  if (suspension.until) {
    json["ends"] = to_iso8601(*suspension.until);
    json["ends_in_seconds"] = seconds_between(now, *suspension.until);
  }
  return json;
}

Json to_json(const queue::QueueSummary& summary, WallTime now) {
  Json json = {{"domain", summary.domain},         {"tenant", summary.tenant},
               {"campaign", summary.campaign},     {"band", name_of(summary.band)},
               {"deliveries", summary.deliveries}, {"held", summary.on_hold},
               {"bytes", summary.bytes},           {"suspended", summary.suspended},
               {"next_attempt", nullptr},          {"next_attempt_in_seconds", nullptr}};
  if (summary.next_due && !summary.suspended) {
    json["next_attempt"] = to_iso8601(*summary.next_due);
    json["next_attempt_in_seconds"] = seconds_between(now, *summary.next_due);
  }
  return json;
}

Json to_json(const queue::DeliverySummary& delivery, WallTime now) {
  Json recipients = Json::array();
  for (const message::Recipient& recipient : delivery.recipients) {
    recipients.push_back(recipient.address.to_string());
  }
  const message::Status& status = delivery.last_status;
  const bool has_status = status.code != 0 || !status.text.empty();
  Json json = {{"number", delivery.number},
               {"domain", delivery.domain},
               {"recipients", std::move(recipients)},
               {"attempts", delivery.attempts},
               {"in_progress", delivery.leased},
               {"held", delivery.held},
               {"next_attempt", nullptr},
               {"next_attempt_in_seconds", nullptr},
               {"last_status", has_status ? status.to_line() : ""}};
  if (!delivery.held) {
    json["next_attempt"] = to_iso8601(delivery.due);
    json["next_attempt_in_seconds"] = seconds_between(now, delivery.due);
  }
  return json;
}

Json to_json(const queue::MessageSummary& summary, WallTime now) {
  const queue::Message& message = summary.message;
  Json deliveries = Json::array();
  for (const queue::DeliverySummary& delivery : summary.deliveries) {
    deliveries.push_back(to_json(delivery, now));
  }
  Json json = {{"id", message.id.to_string()},
               {"sender", message.envelope.sender.to_string()},
               {"user", message.envelope.user},
               {"tenant", message.envelope.tenant},
               {"campaign", message.envelope.campaign},
               {"envid", message.envelope.envelope_id},
               {"priority", message.envelope.priority},
               {"size", message.size},
               {"arrived", to_iso8601(message.arrived)},
               {"age_seconds", seconds_between(message.arrived, now)},
               {"release", nullptr},
               {"release_in_seconds", nullptr},
               {"expires", to_iso8601(message.expires)},
               {"expires_in_seconds", seconds_between(now, message.expires)},
               {"deliveries", std::move(deliveries)}};
  if (!message.envelope.release_request.empty()) {
    json["release"] = to_iso8601(message.envelope.release);
    json["release_in_seconds"] = seconds_between(now, message.envelope.release);
  }
  return json;
}

constexpr std::string_view kMessagesPath = "/messages/";

}  // namespace

namespace {

// These stand where a message id might.
bool is_change(std::string_view path) {
  return path == "/messages/retry" || path == "/messages/hold" || path == "/messages/release";
}

}  // namespace

struct Routes::Route {
  std::string_view method;
  std::string_view path;
  bool is_prefix;  // one more part of a path follows
  Response (Routes::*answer)(const Request&);

  [[nodiscard]] bool has_path(std::string_view asked) const {
    if (!is_prefix) return asked == path;
    return asked.size() > path.size() && asked.starts_with(path) && !is_change(asked);
  }
};

Routes::Routes(Options options, queue::Queue& queue, metrics::Registry& metrics, const Clock& clock,
               Explain explain)
    : options_(std::move(options)),
      queue_(queue),
      metrics_(metrics),
      clock_(clock),
      explain_(std::move(explain)),
      answers_(std::make_shared<Answers>()) {}

Routes::~Routes() = default;

void Routes::stop() {
  answers_->stop();
}

bool Routes::may_enter(const Request& request) const {
  if (options_.token.empty()) return true;
  // RFC 9110 section 11.1: the scheme's name is case-insensitive.
  constexpr std::string_view kScheme = "Bearer ";
  if (!ascii::istarts_with(request.authorization, kScheme)) return false;
  const std::string_view given =
      ascii::trim(std::string_view(request.authorization).substr(kScheme.size()));
  return equal_in_constant_time(given, options_.token);
}

Response Routes::answer(const Request& request) {
  static constexpr Route kRoutes[] = {
      {"GET", "/metrics", false, &Routes::show_metrics},
      {"GET", "/healthz", false, &Routes::show_health},
      {"GET", "/queue", false, &Routes::show_queues},
      {"GET", "/explain", false, &Routes::explain},
      {"GET", "/messages", false, &Routes::show_messages},
      {"GET", kMessagesPath, true, &Routes::show_message},
      {"DELETE", "/messages", false, &Routes::remove},
      {"POST", "/messages/retry", false, &Routes::retry},
      {"POST", "/messages/hold", false, &Routes::hold},
      {"POST", "/messages/release", false, &Routes::release},
      {"POST", "/queue/suspend", false, &Routes::suspend},
      {"POST", "/queue/resume", false, &Routes::resume},
  };
  if (!may_enter(request)) return refuse(401, "a token is needed: Authorization: Bearer ...");
  const std::string_view method =
      request.method == "HEAD" ? "GET" : std::string_view(request.method);
  // Without a token a page in a browser on this machine could act for its visitor; browsers say so.
  if (method != "GET" && request.from_web_page) {
    return refuse(403, "changes asked for by a web page are refused");
  }
  const bool is_for_all = request.path == "/metrics" || request.path == "/healthz";
  if (options_.token.empty() && !is_for_all && !is_own_name(request.host)) {
    return refuse(403,
                  "without admin.token this is asked for by address or as localhost, not as '" +
                      request.host + "'");
  }
  std::string_view allowed;
  bool is_known = false;
  for (const Route& route : kRoutes) {
    if (!route.has_path(request.path)) continue;
    if (route.method == method) return (this->*route.answer)(request);
    is_known = true;
    allowed = request.path == "/messages" ? "GET, DELETE" : route.method;
  }
  if (!is_known) return refuse(404, "there is nothing at this path");
  Response response = refuse(405, "this path does not know this method");
  response.allow = allowed;
  return response;
}

Response Routes::show_metrics(const Request& /*request*/) {
  return {200, metrics_.expose(), "text/plain; version=0.0.4; charset=utf-8"};
}

Response Routes::show_health(const Request& /*request*/) {
  const queue::Health health = queue_.health();
  if (health.accepting) return {200, write({{"status", "ok"}})};
  return {503, write({{"status", "unavailable"}, {"reason", health.reason}})};
}

Response Routes::show_queues(const Request& request) {
  const auto parameters = Parameters::read(request, {"limit"});
  if (!parameters) return refuse(400, parameters.error().text());
  const auto limit = limit_of(*parameters);
  if (!limit) return refuse(400, limit.error().text());
  const WallTime now = clock_.wall();
  Json queues = Json::array();
  for (const queue::QueueSummary& summary : queue_.queues(*limit)) {
    queues.push_back(to_json(summary, now));
  }
  const queue::Stats stats = queue_.stats();
  const Json totals = {{"messages", stats.messages},
                       {"bytes", stats.bytes},
                       {"deliveries", stats.deliveries},
                       {"queues", stats.queues},
                       {"held", stats.on_hold},
                       {"in_progress", stats.leases},
                       {"waiting_for_commit", stats.commit_waiting}};
  Json suspended = Json::array();
  for (const queue::Suspension& one : queue_.suspensions()) suspended.push_back(to_json(one, now));
  return {200, write({{"now", to_iso8601(now)},
                      {"totals", totals},
                      {"suspended", suspended},
                      {"queues", queues}})};
}

Response Routes::show_messages(const Request& request) {
  const auto parameters = Parameters::read(
      request, {"domain", "sender", "tenant", "campaign", "older_than", "from", "limit"});
  if (!parameters) return refuse(400, parameters.error().text());
  const auto limit = limit_of(*parameters);
  if (!limit) return refuse(400, limit.error().text());
  const WallTime now = clock_.wall();
  auto selector = selector_of(*parameters, now);
  if (!selector) return refuse(400, selector.error().text());
  selector->all = !selector->names_something();
  const auto from = from_of(*parameters);
  if (!from) return refuse(400, from.error().text());
  const auto page = queue_.messages(*selector, *limit, *from);
  if (!page) return refuse(500, page.error().text());
  Json messages = Json::array();
  for (const queue::MessageSummary& one : page->messages) messages.push_back(to_json(one, now));
  Json answer = {{"now", to_iso8601(now)}, {"messages", std::move(messages)}, {"next", nullptr}};
  if (page->next) answer["next"] = page->next->to_string();
  return {200, write(answer)};
}

Response Routes::show_message(const Request& request) {
  const std::string text = request.path.substr(kMessagesPath.size());
  const auto id = queue::MessageId::parse(text);
  if (!id) return refuse(400, "'" + ascii::printable(text, 60) + "' is not a message id");
  const auto found = queue_.message(*id);
  if (!found) return refuse(500, found.error().text());
  if (!*found) return refuse(404, "no message " + id->to_string() + " is in the queue");
  return {200, write(to_json(**found, clock_.wall()))};
}

Response Routes::explain(const Request& request) {
  const auto parameters = Parameters::read(request, {"address", "tenant"});
  if (!parameters) return refuse(400, parameters.error().text());
  const std::string* address = parameters->find("address");
  if (address == nullptr) return refuse(400, "say which address");
  const auto parsed = message::parse_mailbox(*address, true);
  if (!parsed || parsed->domain.empty()) {
    return refuse(400, "'" + ascii::printable(*address, 60) + "' is not a mail address");
  }
  if (!explain_) return refuse(404, "there is nothing at this path");
  const std::string* tenant = parameters->find("tenant");
  auto answer = explain_(*parsed, tenant == nullptr ? "" : *tenant);
  if (!answer) return refuse(504, answer.error().text());
  return {200, *std::move(answer)};
}

Response Routes::remove(const Request& request) {
  return change(request, &queue::Queue::remove);
}

Response Routes::retry(const Request& request) {
  return change(request, &queue::Queue::retry_now);
}

Response Routes::hold(const Request& request) {
  return change(request, &queue::Queue::hold);
}

Response Routes::release(const Request& request) {
  return change(request, &queue::Queue::release);
}

Response Routes::suspend(const Request& request) {
  const auto parameters =
      Parameters::read(request, {"domain", "tenant", "campaign", "all", "reason", "for"});
  if (!parameters) return refuse(400, parameters.error().text());
  auto suspension = suspension_of(*parameters, clock_.wall());
  if (!suspension) return refuse(400, suspension.error().text());
  const auto answer = std::make_shared<Count>();
  queue_.suspend(std::move(*suspension), noting(answer));
  return when_answered(*answer, "suspensions");
}

Response Routes::resume(const Request& request) {
  const auto parameters = Parameters::read(request, {"domain", "tenant", "campaign", "all"});
  if (!parameters) return refuse(400, parameters.error().text());
  auto suspension = suspension_of(*parameters, clock_.wall());
  if (!suspension) return refuse(400, suspension.error().text());
  const auto answer = std::make_shared<Count>();
  queue_.resume(std::move(*suspension), noting(answer));
  Response response = when_answered(*answer, "suspensions");
  const bool is_known = response.code != 200 || ***answer > 0;
  return is_known ? std::move(response)
                  : refuse(404, "no suspension names exactly this; GET /queue shows them");
}

Response Routes::change(const Request& request, Change call) {
  const auto parameters = Parameters::read(
      request, {"id", "domain", "sender", "tenant", "campaign", "older_than", "all"});
  if (!parameters) return refuse(400, parameters.error().text());
  auto selector = selector_of(*parameters, clock_.wall());
  if (!selector) return refuse(400, selector.error().text());
  if (selector->names_something() == selector->all) {
    return refuse(400, selector->all ? "all=1 goes with no other parameter"
                                     : "say which: id, domain, sender, tenant, campaign, "
                                       "older_than, or all=1");
  }
  const auto id = selector->id;
  const auto answer = std::make_shared<Count>();
  (queue_.*call)(std::move(*selector), noting(answer));
  Response response = when_answered(*answer, "messages");
  const bool is_known = !id || response.code != 200 || ***answer > 0;
  if (is_known) return response;
  return refuse(404, "no message " + id->to_string() + " that this could change is in the queue");
}

// What the commit thread says is noted in `answer`, whoever still waits for it.
UniqueFunction<void(Result<std::uint64_t>)> Routes::noting(std::shared_ptr<Count> answer) const {
  return [answers = answers_, answer = std::move(answer)](Result<std::uint64_t> result) {
    answers->post([&] { *answer = std::move(result); });
  };
}

Response Routes::when_answered(const Count& answer, const char* what) {
  switch (answers_->wait(kChangeWait, [&] { return answer.has_value(); })) {
    case Answers::State::kLate:
      return refuse(504, "the queue has not answered in time; the change may still be made");
    case Answers::State::kStopped:
      return refuse(503, "the relay is stopping; the change may still be made");
    case Answers::State::kAnswered:
      break;
  }
  const Result<std::uint64_t>& count = *answer;
  if (!count) return refuse(500, count.error().text());
  return {200, write({{what, *count}})};
}

}  // namespace postrider::admin
