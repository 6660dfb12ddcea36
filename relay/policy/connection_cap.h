// ConnectionCap: learns after how many messages a destination closes its connections without a
// word, so that ours quit before: what is sent into a closed connection has to be sent again. Pure,
// with time as an argument. Thread: one owner.
#pragma once

#include <optional>

#include "relay/base/clock.h"

namespace postrider::policy {

class ConnectionCap {
 public:
  // One message says nothing: whoever has only one to send meets many closes behind it.
  static constexpr unsigned kMessagesMin = 2;
  // A close this long after the last reply is about idle time, not about a count.
  static constexpr Duration kPromptly = Seconds(2);
  // Then it is found out anew.
  static constexpr Duration kForgetAfter = std::chrono::hours(1);

  // The peer has closed a connection in order after so many messages, `idle` after its last reply.
  // The same number twice in a row is a cap.
  void closed(unsigned messages, Duration idle, TimePoint now);

  // 0: none is known.
  [[nodiscard]] unsigned messages(TimePoint now) const;

 private:
  unsigned last_ = 0;
  unsigned cap_ = 0;
  TimePoint learned_at_{};
};

}  // namespace postrider::policy
