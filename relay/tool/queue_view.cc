#include "relay/tool/queue_view.h"

#include <algorithm>
#include <exception>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "relay/base/ascii.h"
#include "relay/tool/text_table.h"

namespace postrider::tool {

namespace {

using Json = nlohmann::json;
using Align = TextTable::Align;

constexpr std::size_t kStatusShown = 100;

// A text of the answer, safe to show.
std::string text(const Json& json, const char* key, std::size_t limit = 320) {
  const Json& value = json.at(key);
  return value.is_null() ? "" : ascii::printable(value.get_ref<const std::string&>(), limit);
}

std::int64_t number(const Json& json, const char* key) {
  return json.at(key).get<std::int64_t>();
}

std::uint64_t count(const Json& json, const char* key) {
  return json.at(key).get<std::uint64_t>();
}

std::string sender(const Json& message) {
  const std::string address = text(message, "sender");
  return address.empty() ? "<>" : address;
}

std::string recipients(const Json& delivery) {
  const Json& all = delivery.at("recipients");
  if (all.empty()) return "";
  const std::string first = ascii::printable(all.at(0).get_ref<const std::string&>(), 320);
  return all.size() == 1 ? first : fmt::format("{} +{}", first, all.size() - 1);
}

std::string next_attempt(const Json& delivery) {
  if (delivery.at("in_progress").get<bool>()) return "in progress";
  if (delivery.at("held").get<bool>()) return "held";
  return format_until(number(delivery, "next_attempt_in_seconds"));
}

// The library throws on an answer that lacks what it should have; that ends here.
Result<std::string> shown(std::string_view body, std::string (*show)(const Json&)) {
  try {
    return show(Json::parse(body));
  } catch (const std::exception& error) {
    return failure("that is not an answer of a postrider relay: " +
                   ascii::printable(error.what(), 200));
  }
}

bool any_has(const Json& rows, const char* key) {
  return std::any_of(rows.begin(), rows.end(), [&](const Json& row) {
    return !row.at(key).get_ref<const std::string&>().empty();
  });
}

std::string totals_line(const Json& totals) {
  const std::uint64_t held = count(totals, "held");
  return fmt::format("{} ({}), {} to go in {}; {} in progress{}\n",
                     format_count(count(totals, "messages"), "message"),
                     format_octets(count(totals, "bytes")),
                     format_count(count(totals, "deliveries"), "delivery"),
                     format_count(count(totals, "queues"), "queue"), count(totals, "in_progress"),
                     held == 0 ? "" : fmt::format(", {} held", held));
}

std::string next_of_queue(const Json& queue) {
  if (queue.at("suspended").get<bool>()) return "suspended";
  const std::uint64_t held = count(queue, "held");
  if (held == count(queue, "deliveries")) return "held";
  const std::string next = queue.at("next_attempt_in_seconds").is_null()
                               ? "in progress"
                               : format_until(number(queue, "next_attempt_in_seconds"));
  return held == 0 ? next : fmt::format("{}, {} held", next, held);
}

std::string suspended_text(const Json& suspended) {
  std::string out;
  for (const Json& one : suspended) {
    std::string line = "suspended:";
    for (const char* key : {"domain", "tenant", "campaign"}) {
      if (!text(one, key).empty()) line += fmt::format(" {} {}", key, text(one, key));
    }
    if (text(one, "domain").empty() && text(one, "tenant").empty() && text(one, "campaign").empty())
      line += " everything";
    if (!one.at("ends_in_seconds").is_null()) {
      line += ", ends " + format_until(number(one, "ends_in_seconds"));
    }
    if (!text(one, "reason").empty()) line += " (" + text(one, "reason") + ")";
    out += line + "\n";
  }
  return out;
}

std::string queues_text(const Json& answer) {
  const Json& totals = answer.at("totals");
  const Json& queues = answer.at("queues");
  if (count(totals, "messages") == 0 && queues.empty())
    return suspended_text(answer.at("suspended")) + "the queue is empty\n";
  const bool has_tenants = any_has(queues, "tenant");
  const bool has_campaigns = any_has(queues, "campaign");
  const bool has_bands = std::any_of(queues.begin(), queues.end(), [](const Json& queue) {
    return text(queue, "band") != "normal";
  });
  std::vector<TextTable::Column> columns = {{"DOMAIN"}};
  if (has_tenants) columns.push_back({"TENANT"});
  if (has_campaigns) columns.push_back({"CAMPAIGN"});
  if (has_bands) columns.push_back({"BAND"});
  columns.insert(columns.end(),
                 {{"DELIVERIES", Align::kRight}, {"SIZE", Align::kRight}, {"NEXT ATTEMPT"}});
  TextTable table(columns);
  for (const Json& queue : queues) {
    std::vector<std::string> cells = {text(queue, "domain")};
    if (has_tenants) cells.push_back(text(queue, "tenant"));
    if (has_campaigns) cells.push_back(text(queue, "campaign"));
    if (has_bands) cells.push_back(text(queue, "band"));
    cells.push_back(fmt::format("{}", count(queue, "deliveries")));
    cells.push_back(format_octets(count(queue, "bytes")));
    cells.push_back(next_of_queue(queue));
    table.add(std::move(cells));
  }
  std::string out = totals_line(totals) + suspended_text(answer.at("suspended")) + "\n";
  out += table.to_string();
  const std::uint64_t all = count(totals, "queues");
  if (all > queues.size()) {
    out += fmt::format("... and {}; more with --limit N\n",
                       format_count(all - queues.size(), "smaller queue"));
  }
  return out;
}

std::string messages_text(const Json& answer) {
  const Json& messages = answer.at("messages");
  const std::string next = text(answer, "next");
  if (messages.empty() && next.empty()) return "no such message in the queue\n";
  TextTable table({{"ID"},
                   {"AGE", Align::kRight},
                   {"SIZE", Align::kRight},
                   {"FROM"},
                   {"TO"},
                   {"TRIES", Align::kRight},
                   {"NEXT"},
                   {"LAST STATUS"}});
  for (const Json& message : messages) {
    std::vector<std::string> head = {text(message, "id"),
                                     format_age(number(message, "age_seconds")),
                                     format_octets(count(message, "size")), sender(message)};
    for (const Json& delivery : message.at("deliveries")) {
      std::vector<std::string> cells = head;
      cells.push_back(recipients(delivery));
      cells.push_back(fmt::format("{}", count(delivery, "attempts")));
      cells.push_back(next_attempt(delivery));
      cells.push_back(text(delivery, "last_status", kStatusShown));
      table.add(std::move(cells));
      // A further delivery of the same message stands below it.
      head = {"", "", "", ""};
    }
  }
  std::string out = table.to_string();
  if (!next.empty()) out += "... and perhaps more; see them with --from " + next + "\n";
  return out;
}

std::string delivery_text(const Json& delivery) {
  std::string out =
      fmt::format("\n{}: {} so far, next {}\n", text(delivery, "domain"),
                  format_count(count(delivery, "attempts"), "attempt"), next_attempt(delivery));
  for (const Json& recipient : delivery.at("recipients")) {
    out += "  to    " + ascii::printable(recipient.get_ref<const std::string&>(), 320) + "\n";
  }
  const std::string status = text(delivery, "last_status", 500);
  if (!status.empty()) out += "  last  " + status + "\n";
  return out;
}

std::string message_text(const Json& message) {
  const std::string user = text(message, "user");
  std::string out = "message " + text(message, "id") + "\n";
  out += "  from     " + sender(message) + (user.empty() ? "" : ", by user " + user) + "\n";
  out += "  size     " + format_octets(count(message, "size")) + "\n";
  out += fmt::format("  arrived  {}, {} ago\n", text(message, "arrived"),
                     format_age(number(message, "age_seconds")));
  if (message.contains("release") && message["release"].is_string()) {
    out += fmt::format("  release  {}, {}\n", text(message, "release"),
                       format_until(number(message, "release_in_seconds")));
  }
  out += fmt::format("  expires  {}, {}\n", text(message, "expires"),
                     format_until(number(message, "expires_in_seconds")));
  if (message.contains("priority") && message["priority"] != 0) {
    out += fmt::format("  priority {}\n", number(message, "priority"));
  }
  for (const char* key : {"tenant", "campaign", "envid"}) {
    const std::string value = text(message, key);
    if (!value.empty()) out += fmt::format("  {:<9}{}\n", key, value);
  }
  for (const Json& delivery : message.at("deliveries")) out += delivery_text(delivery);
  return out;
}

}  // namespace

Result<std::string> show_queues(std::string_view body) {
  return shown(body, queues_text);
}

Result<std::string> show_messages(std::string_view body) {
  return shown(body, messages_text);
}

Result<std::string> show_message(std::string_view body) {
  return shown(body, message_text);
}

Result<std::uint64_t> changed_messages(std::string_view body) {
  const Json answer = Json::parse(body, nullptr, false);
  if (answer.is_object() && answer.contains("messages") &&
      answer["messages"].is_number_unsigned()) {
    return answer["messages"].get<std::uint64_t>();
  }
  return failure("that is not an answer of a postrider relay");
}

std::string error_text(std::string_view body) {
  const Json answer = Json::parse(body, nullptr, false);
  if (!answer.is_object() || !answer.contains("error") || !answer["error"].is_string()) return "";
  return ascii::printable(answer["error"].get_ref<const std::string&>(), 500);
}

}  // namespace postrider::tool
