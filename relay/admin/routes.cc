#include "relay/admin/routes.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <nlohmann/json.hpp>

#include "relay/base/ascii.h"
#include "relay/message/address.h"

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

std::int64_t seconds_between(WallTime from, WallTime to) {
  return std::chrono::duration_cast<Seconds>(to - from).count();
}

Json to_json(const queue::QueueSummary& summary, WallTime now) {
  Json json = {{"domain", summary.domain},
               {"tenant", summary.tenant},
               {"campaign", summary.campaign},
               {"deliveries", summary.deliveries},
               {"bytes", summary.bytes},
               {"next_attempt", nullptr},
               {"next_attempt_in_seconds", nullptr}};
  if (summary.next_due) {
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
  return {{"number", delivery.number},
          {"domain", delivery.domain},
          {"recipients", std::move(recipients)},
          {"attempts", delivery.attempts},
          {"in_progress", delivery.leased},
          {"next_attempt", to_iso8601(delivery.due)},
          {"next_attempt_in_seconds", seconds_between(now, delivery.due)},
          {"last_status", has_status ? status.to_line() : ""}};
}

Json to_json(const queue::MessageSummary& summary, WallTime now) {
  const queue::Message& message = summary.message;
  Json deliveries = Json::array();
  for (const queue::DeliverySummary& delivery : summary.deliveries) {
    deliveries.push_back(to_json(delivery, now));
  }
  return {{"id", message.id.to_string()},
          {"sender", message.envelope.sender.to_string()},
          {"user", message.envelope.user},
          {"tenant", message.envelope.tenant},
          {"campaign", message.envelope.campaign},
          {"envid", message.envelope.envelope_id},
          {"size", message.size},
          {"arrived", to_iso8601(message.arrived)},
          {"age_seconds", seconds_between(message.arrived, now)},
          {"expires", to_iso8601(message.expires)},
          {"expires_in_seconds", seconds_between(now, message.expires)},
          {"deliveries", std::move(deliveries)}};
}

// The parameters of a request, each at most once and each one of those allowed.
class Parameters {
 public:
  static Result<Parameters> read(const Request& request,
                                 std::initializer_list<std::string_view> allowed) {
    Parameters parameters;
    for (const auto& [name, value] : request.parameters) {
      if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
        // A slip in "domain" must never turn into "everything".
        return failure("unknown parameter '" + ascii::printable(name, 60) + "'");
      }
      if (parameters.find(name) != nullptr) return failure("parameter '" + name + "' twice");
      parameters.values_.emplace_back(name, value);
    }
    return parameters;
  }

  // Null where it was not given.
  [[nodiscard]] const std::string* find(std::string_view name) const {
    for (const auto& [key, value] : values_) {
      if (key == name) return &value;
    }
    return nullptr;
  }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

Result<std::size_t> limit_of(const Parameters& parameters) {
  const std::string* text = parameters.find("limit");
  if (text == nullptr) return Routes::kLimitDefault;
  const auto limit = ascii::parse_u64(*text);
  if (!limit || *limit == 0 || *limit > Routes::kLimitMax) {
    return failure("limit is not a number from 1 to " + std::to_string(Routes::kLimitMax));
  }
  return static_cast<std::size_t>(*limit);
}

Result<std::string> domain_of(const std::string& text) {
  if (message::parse_address_literal(text)) return text;
  auto domain = message::normalize_domain(text);
  if (!domain) return failure(domain.error().within("domain"));
  return domain;
}

Result<std::string> sender_of(const std::string& text) {
  const auto sender = message::parse_mailbox(text, true);
  if (!sender) return failure(sender.error().within("sender"));
  return sender->to_string();
}

// What the parameters id, domain, sender and all select; nothing given selects nothing.
Result<queue::Selector> selector_of(const Parameters& parameters) {
  queue::Selector selector;
  if (const std::string* text = parameters.find("id")) {
    selector.id = queue::MessageId::parse(*text);
    if (!selector.id) return failure("'" + ascii::printable(*text, 60) + "' is not a message id");
  }
  if (const std::string* text = parameters.find("domain")) {
    auto domain = domain_of(*text);
    if (!domain) return failure(domain.error());
    selector.domain = std::move(*domain);
  }
  if (const std::string* text = parameters.find("sender")) {
    auto sender = sender_of(*text);
    if (!sender) return failure(sender.error());
    selector.sender = std::move(*sender);
  }
  if (const std::string* text = parameters.find("all")) {
    if (*text != "1") return failure("all can only be 1");
    selector.all = true;
  }
  return selector;
}

bool names_something(const queue::Selector& selector) {
  return selector.id || !selector.domain.empty() || !selector.sender.empty();
}

constexpr std::string_view kMessagesPath = "/messages/";

}  // namespace

// Where requests wait for the commit thread. It outlives the routes as long as an answer is out.
class Routes::Waiting : public std::enable_shared_from_this<Waiting> {
 public:
  enum class State { kAnswered, kLate, kStopped };

  struct Answer {
    std::optional<Result<std::uint64_t>> result;
  };

  UniqueFunction<void(Result<std::uint64_t>)> receiver(std::shared_ptr<Answer> answer) {
    return [self = shared_from_this(), answer = std::move(answer)](Result<std::uint64_t> result) {
      const std::lock_guard lock(self->mutex_);
      answer->result = std::move(result);
      self->changed_.notify_all();
    };
  }

  State wait(const Answer& answer) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kChangeWait, [&] { return answer.result || stopping_; });
    if (answer.result) return State::kAnswered;
    return stopping_ ? State::kStopped : State::kLate;
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
};

struct Routes::Route {
  std::string_view method;
  std::string_view path;
  bool is_prefix;  // one more part of a path follows
  Response (Routes::*answer)(const Request&);

  [[nodiscard]] bool has_path(std::string_view asked) const {
    if (!is_prefix) return asked == path;
    return asked.size() > path.size() && asked.starts_with(path) && asked != "/messages/retry";
  }
};

Routes::Routes(Options options, queue::Queue& queue, metrics::Registry& metrics, const Clock& clock,
               Explain explain)
    : options_(std::move(options)),
      queue_(queue),
      metrics_(metrics),
      clock_(clock),
      explain_(std::move(explain)),
      waiting_(std::make_shared<Waiting>()) {}

Routes::~Routes() = default;

void Routes::stop() {
  waiting_->stop();
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
  };
  if (!may_enter(request)) return refuse(401, "a token is needed: Authorization: Bearer ...");
  const std::string_view method =
      request.method == "HEAD" ? "GET" : std::string_view(request.method);
  // Without a token a page in a browser on this machine could act for its visitor; browsers say so.
  if (method != "GET" && request.from_web_page) {
    return refuse(403, "changes asked for by a web page are refused");
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
  const Json totals = {
      {"messages", stats.messages},     {"bytes", stats.bytes},
      {"deliveries", stats.deliveries}, {"queues", stats.queues},
      {"in_progress", stats.leases},    {"waiting_for_commit", stats.commit_waiting}};
  return {200, write({{"now", to_iso8601(now)}, {"totals", totals}, {"queues", queues}})};
}

Response Routes::show_messages(const Request& request) {
  const auto parameters = Parameters::read(request, {"domain", "sender", "limit"});
  if (!parameters) return refuse(400, parameters.error().text());
  const auto limit = limit_of(*parameters);
  if (!limit) return refuse(400, limit.error().text());
  auto selector = selector_of(*parameters);
  if (!selector) return refuse(400, selector.error().text());
  selector->all = !names_something(*selector);
  // One more than asked for tells whether there are more.
  const auto found = queue_.messages(*selector, *limit + 1);
  if (!found) return refuse(500, found.error().text());
  const WallTime now = clock_.wall();
  Json messages = Json::array();
  for (std::size_t i = 0; i < std::min(found->size(), *limit); ++i) {
    messages.push_back(to_json((*found)[i], now));
  }
  return {
      200,
      write({{"now", to_iso8601(now)}, {"messages", messages}, {"more", found->size() > *limit}})};
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

Response Routes::change(const Request& request, Change call) {
  const auto parameters = Parameters::read(request, {"id", "domain", "sender", "all"});
  if (!parameters) return refuse(400, parameters.error().text());
  auto selector = selector_of(*parameters);
  if (!selector) return refuse(400, selector.error().text());
  if (names_something(*selector) == selector->all) {
    return refuse(400, selector->all ? "all=1 goes with no other parameter"
                                     : "say which: id, domain, sender, or all=1");
  }
  const auto id = selector->id;
  const auto answer = std::make_shared<Waiting::Answer>();
  (queue_.*call)(std::move(*selector), waiting_->receiver(answer));
  switch (waiting_->wait(*answer)) {
    case Waiting::State::kLate:
      return refuse(504, "the queue has not answered in time; the change may still be made");
    case Waiting::State::kStopped:
      return refuse(503, "the relay is stopping; the change may still be made");
    case Waiting::State::kAnswered:
      break;
  }
  const Result<std::uint64_t>& count = *answer->result;
  if (!count) return refuse(500, count.error().text());
  if (id && *count == 0) return refuse(404, "no message " + id->to_string() + " is in the queue");
  return {200, write({{"messages", *count}})};
}

}  // namespace postrider::admin
