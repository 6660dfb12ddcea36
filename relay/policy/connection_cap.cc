#include "relay/policy/connection_cap.h"

namespace postrider::policy {

void ConnectionCap::closed(unsigned messages, Duration idle, TimePoint now) {
  if (messages < kMessagesMin || idle > kPromptly) return;
  if (messages == last_) {
    cap_ = messages;
    learned_at_ = now;
  }
  last_ = messages;
}

unsigned ConnectionCap::messages(TimePoint now) const {
  return now - learned_at_ < kForgetAfter ? cap_ : 0;
}

}  // namespace postrider::policy
