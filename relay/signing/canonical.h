// Canonical forms of header fields and bodies (RFC 6376 section 3.4): what a signature covers, so
// that the changes mail suffers on its way do not break it. Thread: values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace postrider::signing {

enum class Canonical : std::uint8_t { kRelaxed, kSimple };

std::string_view name_of(Canonical form);

// Appends the canonical form of a field, with its CRLF. `field`: name, colon and value, folded as
// it stands in the message; a missing CRLF at its end is added.
void append_field(std::string& out, Canonical form, std::string_view field);

// The canonical form of a body that comes in parts; any split of the same bytes gives the same
// form. Memory is constant. Only CRLF ends a line: a bare CR or LF is an octet like others.
class BodyForm {
 public:
  // Gets the form in parts, valid for the call.
  using Sink = std::function<void(std::string_view)>;

  BodyForm(Canonical form, Sink sink);

  void feed(std::string_view bytes);
  // The body has ended: hands over what is left.
  void finish();

 private:
  void feed_relaxed(std::string_view bytes);
  void feed_simple(std::string_view bytes);
  // The octets of `bytes` up to a line end that is known to be one; handles CR at the seam of two
  // parts.
  bool take_line_end(std::string_view& bytes);
  void put_content(std::string_view run);
  void put(std::string_view run);
  void flush();

  // What is handed over at once.
  static constexpr std::size_t kPartSize = std::size_t{16} * 1024;

  const Canonical form_;
  const Sink sink_;
  std::string part_;
  std::uint64_t line_ends_ =
      0;                 // seen since the last content: the end of the body drops all but one
  bool return_ = false;  // the last octet was a CR that may begin a line end
  bool blank_ = false;   // relaxed: blanks since the last content of this line
  bool has_content_ = false;
};

}  // namespace postrider::signing
