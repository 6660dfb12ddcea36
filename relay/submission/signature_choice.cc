#include "relay/submission/signature_choice.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "relay/message/address.h"
#include "relay/policy/senders.h"

namespace postrider::submission {

namespace {

bool contains(const std::vector<std::string>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Who wrote a message, of all its From fields.
struct From {
  std::vector<message::Address> authors;
  // Without a From field, with one that cannot be read, or with one that readers take differently.
  bool unknown = false;
};

From from_of(const message::HeaderSection& header, bool utf8) {
  From from;
  const std::vector<std::string> fields = header.values("from");
  from.unknown = fields.empty();
  for (const std::string& field : fields) {
    message::Authors authors = message::parse_authors(field, utf8);
    if (authors.addresses.empty() || authors.doubtful) from.unknown = true;
    std::move(authors.addresses.begin(), authors.addresses.end(), std::back_inserter(from.authors));
  }
  return from;
}

// Whom the demand comes from, in words; "": there is none.
std::string demanded_by(const Options& options, const auth::User* user, std::string_view tenant,
                        const From& from) {
  if (user != nullptr && user->signature_required) return "this user's messages";
  if (!tenant.empty() && contains(options.signature_tenants, tenant)) {
    return "messages of tenant " + std::string(tenant);
  }
  if (contains(options.signature_authors, "*")) return "every message";
  for (const message::Address& author : from.authors) {
    if (policy::may_send_as(options.signature_authors, author)) {
      return "messages from " + author.domain;
    }
  }
  // It might be one of theirs.
  if (from.unknown && !options.signature_authors.empty()) return "messages of an unknown author";
  return {};
}

}  // namespace

std::optional<Denied> choose_signatures(const Options& options, const signing::Signer& signer,
                                        const message::HeaderSection& header,
                                        const auth::User* user, const message::Envelope& envelope,
                                        signing::Signings& chosen) {
  const auto keys = signer.keys();
  if (keys->size() == 0 && options.signature_tenants.empty() && options.signature_authors.empty() &&
      (user == nullptr || !user->signature_required)) {
    return std::nullopt;  // without looking at the fields
  }
  const From from = from_of(header, envelope.smtputf8);
  std::string reason;
  if (auto good = signing::check_signable(header); !good) {
    reason = good.error().text();
  } else if (from.authors.empty()) {
    reason = "its From field holds no plain address";
  } else {
    // RFC 5322 allows several authors; the first one's domain answers for all.
    chosen = keys->find(from.authors.front().domain, envelope.tenant);
    if (!chosen.empty()) return std::nullopt;
    reason = "there is no DKIM key for " + from.authors.front().domain;
  }
  const std::string who = demanded_by(options, user, envelope.tenant, from);
  if (who.empty()) return std::nullopt;
  return Denied{"signature_required",
                {550, {5, 7, 1}, "A DKIM signature is required for " + who + ": " + reason}};
}

}  // namespace postrider::submission
