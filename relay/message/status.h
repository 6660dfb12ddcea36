// Status: what somebody said, or what we found, about mail: a reply code, an enhanced code, a text.
// Thread: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::message {

// RFC 3463. {0,0,0} means none was given.
struct EnhancedCode {
  std::uint8_t cls = 0;
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;

  [[nodiscard]] bool present() const { return cls != 0; }

  [[nodiscard]] std::string to_string() const;
  // "5.1.1" and nothing behind; class 2, 4 or 5, numbers of one to three digits.
  static std::optional<EnhancedCode> parse(std::string_view text);

  bool operator==(const EnhancedCode&) const = default;
};

// Octets of a peer's text that are kept: a hostile reply may end up with each of a thousand
// recipients.
inline constexpr std::size_t kStatusTextMax = 1000;

// A reply of a peer, or a verdict of ours in the same form. `text` has its lines joined by "\n", is
// without code and enhanced code, and may hold any byte but CR and LF when it comes from a peer:
// show it through ascii::printable.
struct Status {
  int code = 0;
  EnhancedCode enhanced;
  std::string text;

  [[nodiscard]] bool is_positive() const { return code >= 200 && code < 400; }

  [[nodiscard]] bool is_transient() const { return code >= 400 && code < 500; }

  [[nodiscard]] bool is_permanent() const { return code >= 500 && code < 600; }

  // "550 5.1.1 No such user": one line, printable, at most 500 octets; for logs, journal and DSNs.
  [[nodiscard]] std::string to_line() const;

  bool operator==(const Status&) const = default;
};

// Where in a delivery a Status was met; the rows of the outcome policy.
enum class Stage : std::uint8_t {
  kRoute,    // resolving the domain: Status says what the answer means
  kConnect,  // no connection to any address
  kGreeting,
  kHello,
  kStartTls,   // the command: not offered, or refused
  kHandshake,  // TLS itself
  kAuth,
  kMail,
  kRecipient,
  kData,       // the reply to DATA
  kEndOfData,  // the reply to the final dot
};

constexpr std::string_view name_of(Stage stage) {
  constexpr std::string_view kNames[] = {"route",     "connect",   "greeting",   "hello",
                                         "starttls",  "handshake", "auth",       "mail",
                                         "recipient", "data",      "end-of-data"};
  return kNames[static_cast<std::size_t>(stage)];
}

}  // namespace postrider::message
