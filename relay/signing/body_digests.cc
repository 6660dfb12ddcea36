#include "relay/signing/body_digests.h"

#include <algorithm>

namespace postrider::signing {

struct BodyDigests::Hash {
  explicit Hash(Canonical how) : form(how, [this](std::string_view part) { sha.update(part); }) {}

  Sha256 sha;
  BodyForm form;
  Digest digest{};
};

void BodyDigests::Destroy::operator()(Hash* hash) const {
  delete hash;
}

BodyDigests::BodyDigests(const std::vector<Canonical>& forms) {
  for (const Canonical form : forms)
    hashes_.at(static_cast<std::size_t>(form)).reset(new Hash(form));
}

bool BodyDigests::valid() const {
  return std::any_of(hashes_.begin(), hashes_.end(),
                     [](const auto& hash) { return hash != nullptr; });
}

void BodyDigests::feed(const message::Body& part) {
  for (const Chunk& chunk : part.chunks()) {
    for (const auto& hash : hashes_) {
      if (hash) hash->form.feed(chunk.view());
    }
  }
}

void BodyDigests::finish() {
  for (const auto& hash : hashes_) {
    if (!hash) continue;
    hash->form.finish();
    hash->digest = hash->sha.finish();
  }
}

const Digest* BodyDigests::of(Canonical form) const {
  const auto& hash = hashes_.at(static_cast<std::size_t>(form));
  return hash ? &hash->digest : nullptr;
}

}  // namespace postrider::signing
