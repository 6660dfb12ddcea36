// Header section: a bounded scan of what a submitted message brought, and the trace field we put in
// front of it. No MIME tree, no rewriting. Thread: pure functions and values.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "relay/base/clock.h"
#include "relay/base/ip.h"
#include "relay/message/body.h"

namespace postrider::message {

// Incremental: feed the message text as it arrives; it looks no further than the empty line that
// ends the header section. Memory is constant: names are matched, values are not kept. Any split of
// the same text gives the same answers. Lines end in CRLF and in nothing else.
class HeaderScan {
 public:
  // Returns false once the header section has ended (nothing more is looked at).
  bool feed(std::string_view bytes);

  [[nodiscard]] unsigned received_count() const { return received_count_; }

  [[nodiscard]] bool has_date() const { return has_date_; }

  [[nodiscard]] bool has_message_id() const { return has_message_id_; }

  [[nodiscard]] bool has_from() const { return has_from_; }

  // Octets up to and including the empty line, or all so far.
  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] bool ended() const { return ended_; }

 private:
  void end_of_line();
  void take_name_character(char c);
  void match_name();

  static constexpr std::size_t kNameMax = 32;  // longer names are none of those looked for
  std::string name_;
  bool in_name_ = true;
  std::size_t line_size_ = 0;  // octets of the current line so far
  char previous_ = '\0';       // the octet before the next one
  bool ended_ = false;
  bool has_date_ = false;
  bool has_message_id_ = false;
  bool has_from_ = false;
  unsigned received_count_ = 0;
  std::size_t size_ = 0;
};

struct TraceFacts {
  std::string_view helo;  // what the client called itself; escaped here
  IpAddress client;
  std::string_view by;        // our host name
  std::string_view protocol;  // "ESMTPSA" and friends (RFC 3848)
  std::string_view tls;       // "TLS1.3 TLS_AES_256_GCM_SHA384", or ""
  std::string_view id;        // queue id
  int priority = 0;           // MT-PRIORITY as the client gave it; 0 is left out
  WallTime when;
};

// "Received: from ... by ... with ... id ...; date" folded at 78 columns, CRLF at the end. Never
// holds a control character or a byte above 126 from outside (RFC 5321 section 4.4).
std::string received_field(const TraceFacts& facts);

// The header section of `body`, its closing empty line included, at most `limit` octets (cut at a
// line end). For RET=HDRS reports.
std::string header_section(const Body& body, std::size_t limit);

}  // namespace postrider::message
