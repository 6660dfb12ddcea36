#include "relay/admin/parameters.h"

#include <algorithm>

#include "relay/base/ascii.h"
#include "relay/message/address.h"

namespace postrider::admin {

namespace {

// A hundred years; more would leave the range of times.
constexpr std::uint64_t kSecondsMax = 100ULL * 366 * 24 * 3600;

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

Result<Seconds> seconds_of(std::string_view name, const std::string& text) {
  const auto seconds = ascii::parse_u64(text);
  if (!seconds || *seconds > kSecondsMax) {
    return failure(std::string(name) + " is not a number of seconds");
  }
  return Seconds(static_cast<std::int64_t>(*seconds));
}

Result<queue::MessageId> id_of(const std::string& text) {
  const auto id = queue::MessageId::parse(text);
  if (!id) return failure("'" + ascii::printable(text, 60) + "' is not a message id");
  return *id;
}

// A parameter that is there and says nothing must not select everything.
Result<void> take_text(const Parameters& parameters, std::string_view name, std::string& into) {
  const std::string* text = parameters.find(name);
  if (text == nullptr) return {};
  if (text->empty()) return failure(std::string(name) + " is empty");
  into = *text;
  return {};
}

}  // namespace

Result<Parameters> Parameters::read(const Request& request,
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

const std::string* Parameters::find(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name) return &value;
  }
  return nullptr;
}

Result<std::size_t> limit_of(const Parameters& parameters) {
  const std::string* text = parameters.find("limit");
  if (text == nullptr) return Routes::kLimitDefault;
  const auto limit = ascii::parse_u64(*text);
  if (!limit || *limit == 0 || *limit > Routes::kLimitMax) {
    return failure("limit is not a number from 1 to " + std::to_string(Routes::kLimitMax));
  }
  return static_cast<std::size_t>(*limit);
}

Result<queue::MessageId> from_of(const Parameters& parameters) {
  const std::string* text = parameters.find("from");
  return text == nullptr ? queue::MessageId() : id_of(*text);
}

Result<queue::Selector> selector_of(const Parameters& parameters, WallTime now) {
  queue::Selector selector;
  if (const std::string* text = parameters.find("id")) {
    const auto id = id_of(*text);
    if (!id) return failure(id.error());
    selector.id = *id;
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
  if (auto taken = take_text(parameters, "tenant", selector.tenant); !taken) {
    return failure(taken.error());
  }
  if (auto taken = take_text(parameters, "campaign", selector.campaign); !taken) {
    return failure(taken.error());
  }
  if (const std::string* text = parameters.find("older_than")) {
    const auto age = seconds_of("older_than", *text);
    if (!age) return failure(age.error());
    selector.arrived_before = now - *age;
  }
  if (const std::string* text = parameters.find("all")) {
    if (*text != "1") return failure("all can only be 1");
    selector.all = true;
  }
  return selector;
}

Result<queue::Suspension> suspension_of(const Parameters& parameters, WallTime now) {
  const auto selector = selector_of(parameters, now);
  if (!selector) return failure(selector.error());
  if (selector->names_something() == selector->all) {
    return failure(selector->all ? "all=1 goes with neither domain, tenant nor campaign"
                                 : "say which: domain, tenant, campaign, or all=1");
  }
  queue::Suspension suspension{selector->domain, selector->tenant, selector->campaign, "",
                               std::nullopt};
  if (const std::string* text = parameters.find("reason")) suspension.reason = *text;
  if (suspension.reason.size() > kReasonMax) return failure("reason is too long");
  if (const std::string* text = parameters.find("for")) {
    const auto time = seconds_of("for", *text);
    if (!time) return failure(time.error());
    suspension.until = now + *time;
  }
  return suspension;
}

}  // namespace postrider::admin
