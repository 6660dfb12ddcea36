// Which keys sign a message, and whether it may go without. Thread: any.
#pragma once

#include <optional>

#include "relay/auth/users.h"
#include "relay/message/envelope.h"
#include "relay/message/header_section.h"
#include "relay/signing/signer.h"
#include "relay/submission/intake.h"
#include "relay/submission/options.h"

namespace postrider::submission {

// The keys for the author's domain and the tenant go into `chosen`: none where the domain has no
// key, or where the message is none that can be signed. RFC 5322 allows several authors; the keys
// of the first one's domain sign. A denial: a signature is demanded of this user or tenant and
// there is none, or of an author and there is none of its own domain; an author who is only shown,
// or cannot be told, may be one of whom it is. `user`: null on a trusted listener. Of the envelope,
// its tenant and whether it came with SMTPUTF8 count.
std::optional<Denied> choose_signatures(const Options& options, const signing::Signer& signer,
                                        const message::HeaderSection& header,
                                        const auth::User* user, const message::Envelope& envelope,
                                        signing::Signings& chosen);

}  // namespace postrider::submission
