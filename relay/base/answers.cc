#include "relay/base/answers.h"

namespace postrider {

void Answers::post(Task task) {
  const std::lock_guard lock(mutex_);
  task();
  changed_.notify_all();
}

void Answers::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

}  // namespace postrider
