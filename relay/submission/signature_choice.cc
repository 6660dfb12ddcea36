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
  // Whom some mail programs take for the author (message::Authors).
  std::vector<message::Address> shown;
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
    std::move(authors.shown.begin(), authors.shown.end(), std::back_inserter(from.shown));
  }
  return from;
}

// Whom a demand comes from, in words, that any signature meets; "": there is none.
std::string demanded_by(const Options& options, const auth::User* user, std::string_view tenant) {
  if (user != nullptr && user->signature_required) return "this user's messages";
  if (!tenant.empty() && contains(options.signature_tenants, tenant)) {
    return "messages of tenant " + std::string(tenant);
  }
  if (contains(options.signature_authors, "*")) return "every message";
  return {};
}

// The same of the authors, each of whom the keys of its own domain answer for; `chosen` are those
// of the first one's.
std::string demanded_by_authors(const Options& options, const signing::Keyring& keys,
                                const From& from, std::string_view tenant,
                                const signing::Signings& chosen) {
  if (options.signature_authors.empty() || contains(options.signature_authors, "*")) return {};
  for (const auto* authors : {&from.authors, &from.shown}) {
    for (const message::Address& author : *authors) {
      if (!chosen.empty() && keys.find(author.domain, tenant) == chosen) continue;
      if (policy::may_send_as(options.signature_authors, author)) {
        return "messages from " + author.domain;
      }
    }
  }
  // It might be one of theirs.
  return from.unknown ? "messages of an unknown author" : "";
}

// Why the message goes unsigned; "": `chosen` are the keys that sign.
std::string choose_keys(const signing::Keyring& keys, const message::HeaderSection& header,
                        const From& from, std::string_view tenant, signing::Signings& chosen) {
  signing::Signings found;
  if (!from.authors.empty()) found = keys.find(from.authors.front().domain, tenant);
  if (auto good = signing::check_signable(header, found); !good) return good.error().text();
  if (from.authors.empty()) return "its From field holds no plain address";
  if (found.empty()) return "there is no DKIM key for " + from.authors.front().domain;
  chosen = std::move(found);
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
  std::string reason = choose_keys(*keys, header, from, envelope.tenant, chosen);
  std::string who = chosen.empty() ? demanded_by(options, user, envelope.tenant) : std::string();
  if (who.empty()) who = demanded_by_authors(options, *keys, from, envelope.tenant, chosen);
  if (who.empty()) return std::nullopt;
  if (reason.empty()) {
    reason = from.unknown ? "mail programs may read its From field in different ways"
                          : "it would be signed for " + from.authors.front().domain +
                                " alone, the domain of its first author";
  }
  return Denied{"signature_required",
                {550, {5, 7, 1}, "A DKIM signature is required for " + who + ": " + reason}};
}

}  // namespace postrider::submission
