// BodyDigests: the hash of a body in each canonical form that is asked for, in one pass, of a text
// that comes in parts; any split gives the same hashes. Memory is constant.
// Thread: one owner at a time; may be moved between threads.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "relay/message/body.h"
#include "relay/signing/canonical.h"
#include "relay/signing/key.h"

namespace postrider::signing {

class BodyDigests {
 public:
  // In no form.
  BodyDigests() = default;
  // A form that stands there twice is one.
  explicit BodyDigests(const std::vector<Canonical>& forms);

  // There is a form to hash.
  [[nodiscard]] bool valid() const;

  void feed(const message::Body& part);
  // The body has ended: once, before of().
  void finish();
  // nullptr: not a form that was asked for. Lives as long as this.
  [[nodiscard]] const Digest* of(Canonical form) const;

 private:
  struct Hash;

  struct Destroy {
    void operator()(Hash* hash) const;
  };

  std::array<std::unique_ptr<Hash, Destroy>, 2> hashes_;  // by form; null: not asked for
};

}  // namespace postrider::signing
