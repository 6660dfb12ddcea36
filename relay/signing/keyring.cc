#include "relay/signing/keyring.h"

#include <algorithm>
#include <utility>

#include "relay/base/ascii.h"

namespace postrider::signing {

namespace {

Canonical header_form(Canonicalization forms) {
  const bool simple =
      forms == Canonicalization::kSimpleRelaxed || forms == Canonicalization::kSimpleSimple;
  return simple ? Canonical::kSimple : Canonical::kRelaxed;
}

Canonical body_form(Canonicalization forms) {
  const bool simple =
      forms == Canonicalization::kRelaxedSimple || forms == Canonicalization::kSimpleSimple;
  return simple ? Canonical::kSimple : Canonical::kRelaxed;
}

}  // namespace

Result<std::shared_ptr<const Keyring>> Keyring::read(const std::vector<KeyOptions>& options) {
  auto ring = std::make_shared<Keyring>();
  for (const KeyOptions& one : options) {
    auto key = Key::read(one.key_file);
    if (!key) return failure(key.error());
    ring->add(one, *std::move(key));
  }
  return std::shared_ptr<const Keyring>(std::move(ring));
}

std::shared_ptr<const Keyring> Keyring::read_again(std::vector<Error>& problems) const {
  auto ring = std::make_shared<Keyring>();
  for (const Entry& entry : entries_) {
    auto key = Key::read(entry.options.key_file);
    if (!key) problems.push_back(key.error());
    ring->add(entry.options, key ? *std::move(key) : entry.signing->key);
  }
  return ring;
}

void Keyring::add(const KeyOptions& options, std::shared_ptr<const Key> key) {
  auto signing = std::make_shared<Signing>();
  signing->key = std::move(key);
  signing->domain = options.domain;
  signing->selector = options.selector;
  signing->header = header_form(options.canonicalization);
  signing->body = body_form(options.canonicalization);
  for (const std::string& name : options.headers) {
    signing->more_fields.push_back(ascii::lower(name));
  }
  by_domain_[options.domain].push_back(entries_.size());
  entries_.push_back({options, std::move(signing)});
}

Signings Keyring::matching(std::string_view domain, std::string_view tenant, bool below) const {
  Signings of_tenant;
  Signings of_nobody;
  const auto found = by_domain_.find(domain);
  if (found == by_domain_.end()) return {};
  for (const std::size_t i : found->second) {
    const Entry& entry = entries_[i];
    if (below && !entry.options.subdomains) continue;
    if (entry.options.tenant.empty()) {
      of_nobody.push_back(entry.signing);
    } else if (entry.options.tenant == tenant) {
      of_tenant.push_back(entry.signing);
    }
  }
  return of_tenant.empty() ? of_nobody : of_tenant;
}

Signings Keyring::find(std::string_view domain, std::string_view tenant) const {
  for (bool below = false;; below = true) {
    Signings found = matching(domain, tenant, below);
    const std::size_t dot = domain.find('.');
    if (!found.empty() || dot == std::string_view::npos) return found;
    domain.remove_prefix(dot + 1);
  }
}

std::vector<Canonical> Keyring::body_forms() const {
  std::vector<Canonical> forms;
  for (const Entry& entry : entries_) {
    const Canonical form = entry.signing->body;
    if (std::find(forms.begin(), forms.end(), form) == forms.end()) forms.push_back(form);
  }
  return forms;
}

}  // namespace postrider::signing
