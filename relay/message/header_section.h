// HeaderSection: the header fields of one message, to be looked at, taken out and added to, without
// touching what is left (RFC 5322 section 2.2). What carries a DKIM signature stays as it is: a
// field that a signature covers is neither removed nor added.
//
// The text is taken apart when a field is first asked for, and put together again when something
// was changed: of most messages on trusted listeners neither is ever done. Thread: one caller at a
// time, constant functions included.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "relay/message/address.h"

namespace postrider::message {

class HeaderSection {
 public:
  struct Field {
    std::string name;  // lower case; "": no field
    std::string text;  // with its line ends
  };

  HeaderSection() = default;

  // `text`: canonical lines up to and including the empty one, or without it where the message has
  // no body. A line that is no field is kept where it stands.
  explicit HeaderSection(std::string_view text) : text_(text) {}

  // Of fields, lines that are none included.
  [[nodiscard]] std::size_t size() const;

  // Whether the first line begins with a blank: it would go on with a field that is put in front.
  [[nodiscard]] bool begins_folded() const;

  // From the top.
  [[nodiscard]] const std::vector<Field>& fields() const { return parts().fields; }

  [[nodiscard]] bool has(std::string_view name) const;
  // The values of all fields of that name (in lower case), unfolded and trimmed.
  [[nodiscard]] std::vector<std::string> values(std::string_view name) const;

  // Whether a DKIM-Signature covers fields of that name: one that has all the tags that RFC 6376
  // section 3.5 asks for, From in its "h=". The others are none.
  [[nodiscard]] bool is_signed(std::string_view name) const;

  // Takes out all fields of that name that no signature covers.
  void remove(std::string_view name);
  // Puts `name: value` in front, unless a signature covers that name: then false.
  bool add(std::string_view name, std::string_view value);

  [[nodiscard]] std::string to_string() const;

 private:
  struct Parts {
    std::vector<Field> fields;
    std::string end;                             // the empty line
    std::set<std::string, std::less<>> covered;  // by a signature
  };

  static Parts take_apart(std::string_view text);
  static void note_signature(Parts& parts, std::string_view value);
  [[nodiscard]] const Parts& parts() const;
  Parts& parts_to_change();

  std::string text_;  // as it came; no longer true once something was changed
  mutable std::optional<Parts> parts_;
  bool changed_ = false;
};

// What a From field says (RFC 5322 section 3.6.2).
struct Authors {
  // Of all mailboxes, those in groups included; empty: there is none, or the text is no list of
  // addresses. A comment within an address makes it none.
  std::vector<Address> addresses;
  // That stand unquoted where the name of a mailbox is: "shown@a.example <address@b.example>".
  std::vector<Address> shown;
  // Readers may find other addresses: an "@" in such a name, or the name of a group, that is no
  // address; a group within a group; a backslash or a control character outside of quotes and
  // comments; a comment within angle brackets; what looks like an encoded word before the "@", or
  // another "@" within quotes there.
  bool doubtful = false;
};

// Addresses that are not ASCII only if `utf8` (RFC 6531).
Authors parse_authors(std::string_view value, bool utf8);

}  // namespace postrider::message
