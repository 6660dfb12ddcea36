#include "relay/admin/explanation_json.h"

#include <nlohmann/json.hpp>

namespace postrider::admin {

namespace {

using Json = nlohmann::json;

Json json_of(const std::vector<delivery::ExplainedLimit>& limits) {
  Json all = Json::array();
  for (const delivery::ExplainedLimit& limit : limits) {
    all.push_back({{"name", limit.name}, {"value", limit.value}, {"from", limit.from}});
  }
  return all;
}

Json json_of(const delivery::ExplainedHost& host) {
  Json addresses = Json::array();
  for (const delivery::ExplainedAddress& address : host.addresses) {
    addresses.push_back({{"ip", address.ip.to_string()}, {"note", address.note}});
  }
  return {
      {"name", host.name}, {"preference", host.preference}, {"addresses", std::move(addresses)}};
}

Json json_of(const delivery::SiteState& state) {
  return {{"connections", state.connections},
          {"idle", state.idle},
          {"window", state.window},
          {"waiting", state.waiting},
          {"messages_per_connection_learned", state.messages_max},
          {"closed_for_ms", state.closed_for.count()},
          {"send_in_ms", state.send_in.count()},
          {"held_at", state.held_at}};
}

Json json_of(const delivery::ExplainedSource& source) {
  return {{"name", source.name},
          {"addresses", source.addresses},
          {"host_name", source.host_name},
          {"share", source.share},
          {"limits", json_of(source.limits)},
          {"provider_limits", json_of(source.provider_limits)},
          {"state", source.state ? json_of(*source.state) : Json()}};
}

template <class Item>
Json list_of(const std::vector<Item>& items) {
  Json all = Json::array();
  for (const Item& item : items) all.push_back(json_of(item));
  return all;
}

}  // namespace

std::string to_json(const delivery::Explanation& explanation) {
  const message::Status& verdict = explanation.verdict;
  const Json json = {{"address", explanation.address},
                     {"route", explanation.route},
                     {"authentic", explanation.authentic},
                     {"dns", explanation.dns},
                     {"verdict", verdict.code == 0 ? "" : verdict.to_line()},
                     {"hosts", list_of(explanation.hosts)},
                     {"site", explanation.site},
                     {"provider", explanation.provider},
                     {"sources", list_of(explanation.sources)},
                     {"running", explanation.running}};
  // Addresses may hold any octet that SMTPUTF8 let through; JSON must be UTF-8.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace postrider::admin
