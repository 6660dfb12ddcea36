#include "relay/auth/success_memory.h"

namespace postrider::auth {

void SuccessMemory::forget_oldest() {
  held_.erase(by_age_.front().check);
  by_age_.pop_front();
}

void SuccessMemory::forget_expired(TimePoint now) {
  while (!by_age_.empty() && by_age_.front().until <= now) forget_oldest();
}

bool SuccessMemory::holds(const Digest& check, TimePoint now) {
  forget_expired(now);
  return held_.contains(check);
}

void SuccessMemory::add(const Digest& check, TimePoint now) {
  if (entries_max_ == 0 || lifetime_ <= Duration::zero()) return;
  forget_expired(now);
  if (!held_.insert(check).second) return;
  by_age_.push_back({check, now + lifetime_});
  if (by_age_.size() > entries_max_) forget_oldest();
}

}  // namespace postrider::auth
