// What the header section of a submitted message may say, and in whose name. Of clients that logged
// in alone: trusted hosts pass on what others wrote. Thread: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "relay/auth/users.h"
#include "relay/message/header_section.h"
#include "relay/submission/intake.h"

namespace postrider::submission {

// A denial: a line is no field (RFC 5322 section 2.2), in which another reader may still see one
// that we do not; a field has a blank before its colon (section 4.5), in which another reader may
// see none; or there are several From fields (section 3.6 allows one).
std::optional<Denied> check_fields(const message::HeaderSection& header);

// A denial: there is no From field, it cannot be read or readers may find other addresses in it, or
// it holds or shows an address that is not the user's. `utf8`: addresses may be other than ASCII.
// Nothing is asked of a user who may send as everybody.
std::optional<Denied> check_from(const message::HeaderSection& header, const auth::User& user,
                                 bool utf8);

// The denial of a message for a line of its header section, counted from 1, that `text` begins
// with; `defect` goes on with "Line 1 of the header section ...".
Denied bad_line(std::ptrdiff_t number, std::string_view defect, std::string_view text);

// The denial of a message whose field `name`, which is for `whom` and never leaves the relay, is
// covered by a signature.
Denied signed_field(std::string_view reason, const std::string& name, std::string_view whom);

}  // namespace postrider::submission
