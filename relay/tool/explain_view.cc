// The answer of GET /explain, for people.
#include <exception>
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "relay/base/ascii.h"
#include "relay/tool/explain_command.h"

namespace postrider::tool {

namespace {

using Json = nlohmann::json;

std::string words(const Json& json, const char* key) {
  return ascii::printable(json.at(key).get_ref<const std::string&>(), 2000);
}

void line(std::string& out, std::string_view title, std::string_view text) {
  if (!text.empty()) out += fmt::format("  {:<10} {}\n", title, text);
}

void show_hosts(std::string& out, const Json& hosts) {
  std::string_view title = "hosts";
  for (const Json& host : hosts) {
    line(out, title,
         fmt::format("{:<5} {}", host.at("preference").get<unsigned>(), words(host, "name")));
    title = "";
    for (const Json& address : host.at("addresses")) {
      const std::string note = words(address, "note");
      line(out, title,
           fmt::format("      {}{}", words(address, "ip"), note.empty() ? "" : " (" + note + ")"));
    }
  }
}

void show_limits(std::string& out, const Json& limits, std::string_view whose) {
  for (const Json& limit : limits) {
    line(out, " ",
         fmt::format("{:<44} {:<8} {}", words(limit, "name") + std::string(whose),
                     words(limit, "value"), words(limit, "from")));
  }
}

std::string state_of(const Json& state) {
  if (state.is_null()) return "nothing under way";
  const auto number = [&state](const char* key) { return state.at(key).get<std::uint64_t>(); };
  std::string text =
      fmt::format("{} connections ({} idle) of {} it may have now, {} waiting",
                  number("connections"), number("idle"), number("window"), number("waiting"));
  if (number("held_at") > 0) {
    text += fmt::format("; it had trouble with more than {}, and is seldom tried with more",
                        number("held_at"));
  }
  if (number("closed_for_ms") > 0) {
    text += fmt::format("; out of reach, tried again in {} s", number("closed_for_ms") / 1000 + 1);
  }
  if (number("messages_per_connection_learned") > 0) {
    text += fmt::format("; it closes a connection after {} messages",
                        number("messages_per_connection_learned"));
  }
  if (number("send_in_ms") > 0) {
    text += fmt::format("; the next message may go in {} ms", number("send_in_ms"));
  }
  return text;
}

void show_source(std::string& out, const Json& source, bool running) {
  const std::string name = words(source, "name");
  const std::string addresses = words(source, "addresses");
  line(out, "source",
       fmt::format("{} ({}, EHLO {}), {:.0f} % of the mail", name.empty() ? "[delivery]" : name,
                   addresses.empty() ? "the system chooses the address" : addresses,
                   words(source, "host_name"), source.at("share").get<double>() * 100));
  show_limits(out, source.at("limits"), "");
  show_limits(out, source.at("provider_limits"), ", all sites of the provider");
  if (running) line(out, "now", state_of(source.at("state")));
}

std::string show(const Json& answer) {
  std::string out = words(answer, "address") + "\n";
  line(out, "route", words(answer, "route"));
  line(out, "DNSSEC",
       answer.at("authentic").get<bool>() ? "validated, as the resolver says" : "not validated");
  line(out, "DNS", words(answer, "dns"));
  line(out, "verdict", words(answer, "verdict"));
  show_hosts(out, answer.at("hosts"));
  line(out, "site", words(answer, "site"));
  line(out, "provider", words(answer, "provider"));
  const bool running = answer.at("running").get<bool>();
  for (const Json& source : answer.at("sources")) show_source(out, source, running);
  if (!running) out += "  (worked out from the configuration; no relay was asked)\n";
  return out;
}

}  // namespace

// The library throws on an answer that lacks what it should have; that ends here.
Result<std::string> show_explanation(std::string_view body) {
  try {
    return show(Json::parse(body));
  } catch (const std::exception& error) {
    return failure("that is not an answer of a postrider relay: " +
                   ascii::printable(error.what(), 200));
  }
}

}  // namespace postrider::tool
