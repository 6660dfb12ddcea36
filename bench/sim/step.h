// Step: what a simulated MX host does at one phase of the dialogue instead of behaving well.
// Thread: values.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "relay/base/result.h"

namespace postrider::bench {

enum class Phase { kGreeting, kEhlo, kStartTls, kMail, kRcpt, kData, kDot, kRset, kQuit };
constexpr std::size_t kPhaseCount = 9;
// The names of the phases as rules write them, by value of Phase.
constexpr std::array<std::string_view, kPhaseCount> kPhaseNames = {
    "greeting", "ehlo", "starttls", "mail", "rcpt", "data", "dot", "rset", "quit"};

struct Step {
  enum class Act {
    kReply,       // `reply`, and what its code means for the transaction; 421 closes behind it
    kHang,        // no answer, ever; the connection stays open
    kClose,       // closes without a word
    kReset,       // the same by RST
    kCloseAfter,  // the proper reply, then closes
    kLoseReply,   // succeeds, and closes without saying so
    kGarbage,     // bytes that are no reply
    kDrip,        // the proper reply, one byte at a time
    kEndless,     // a reply whose last line never comes
    kLongLine,    // a line that never ends
  };

  // "CODE", "CODE_text_with_underscores" or the name of an act: hang, close, reset, closeafter,
  // losereply, garbage, drip, endless, longline. Codes run from 200 to 599.
  static Result<Step> parse(std::string_view text);

  Act act = Act::kReply;
  int code = 0;       // kReply only
  std::string reply;  // kReply only: "451 4.7.1 try later", without the line end
};

// The reply line of a bare code, with an enhanced status (RFC 3463) of its class where it is 2xx,
// 4xx or 5xx.
std::string plain_reply(int code);

}  // namespace postrider::bench
