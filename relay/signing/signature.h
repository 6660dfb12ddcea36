// DKIM-Signature fields (RFC 6376 section 3.5) for one message. Thread: pure functions.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/result.h"
#include "relay/message/body.h"
#include "relay/message/header_section.h"
#include "relay/signing/body_digests.h"
#include "relay/signing/canonical.h"
#include "relay/signing/key.h"

namespace postrider::signing {

// One signature that messages can get.
struct Signing {
  std::shared_ptr<const Key> key;
  std::string domain;
  std::string selector;
  Canonical header = Canonical::kRelaxed;
  Canonical body = Canonical::kRelaxed;
  std::vector<std::string> more_fields;  // names in lower case
};

using Signings = std::vector<std::shared_ptr<const Signing>>;

// The names for the tag "h=": each field of the message that is worth signing as often as it is
// there, and those that nobody may add once more than that (RFC 6376 section 8.15), first of all
// From. `more`: names besides.
std::vector<std::string> signed_names(const message::HeaderSection& header,
                                      const std::vector<std::string>& more);

// What is signed: of each name the next field from the bottom, nothing where none is left
// (RFC 6376 section 5.4.2); then `field`, the DKIM-Signature up to its "b=".
Digest header_digest(Canonical form, const message::HeaderSection& header,
                     const std::vector<std::string>& names, std::string_view field);

// All fields, the first signing on top, each folded under 78 columns with CRLF at its end; to be
// put in front of `header`. The body is gone through once, whatever the number of signings. Where
// `begun` is valid it was fed what stands before `body`, and has the forms of all signings. Error:
// the message is none that can be signed, in words for its sender, or a key failed.
Result<std::string> signature_fields(const Signings& signings, const message::HeaderSection& header,
                                     const message::Body& body, WallTime now,
                                     BodyDigests begun = {});

// Whether these signatures of this message would be worth something; an error says what is wrong.
Result<void> check_signable(const message::HeaderSection& header, const Signings& signings);

}  // namespace postrider::signing
