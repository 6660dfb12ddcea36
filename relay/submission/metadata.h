// Header fields that a message brings for the journal, never for the wire. Thread: pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/message/envelope.h"
#include "relay/message/header_section.h"
#include "relay/submission/intake.h"

namespace postrider::submission {

// `text` as one line of printable UTF-8 of at most `limit` octets: control characters and what is
// no UTF-8 become '?', and no character is cut in two.
std::string printable_utf8(std::string_view text, std::size_t limit);

// Moves the fields that `patterns` name (Options::metadata_headers) from the header section to the
// envelope; values of one name are joined with ", ". A denial: there are more than
// message::kMetadataMax names, one is too long, a DKIM signature of the sender covers one, so that
// it could not be removed, or a line that is no field begins as one.
std::optional<Denied> take_metadata(const std::vector<std::string>& patterns,
                                    message::HeaderSection& header, message::Envelope& envelope);

// Octets of metadata in the journal lines with which a message is accepted, one a recipient, each
// of which repeats it.
inline constexpr std::size_t kMetadataLinesMax = 512U << 10;

// A denial: it would be more for so many recipients. One recipient's always fits.
std::optional<Denied> metadata_lines_denial(const std::vector<message::Metadata>& metadata,
                                            std::size_t recipients);

}  // namespace postrider::submission
