#include "queue/wake_order.h"

#include "relay/base/check.h"

namespace postrider::queue {

namespace {

std::size_t above(std::size_t place) {
  return (place - 1) / 2;
}

}  // namespace

bool WakeOrder::insert(QueueEntry& queue, WallTime at) {
  slots_.emplace_back();
  rise(slots_.size() - 1, {at, &queue});
  return queue.wake_slot == 0;
}

// The last takes its place, and goes from there to where it belongs.
void WakeOrder::erase(const QueueEntry& queue) {
  const std::size_t place = queue.wake_slot;
  PR_CHECK(place < slots_.size() && slots_[place].queue == &queue);
  const Slot last = slots_.back();
  slots_.pop_back();
  if (place == slots_.size()) return;
  if (place > 0 && last < slots_[above(place)]) return rise(place, last);
  sink(place, last);
}

void WakeOrder::put(std::size_t place, const Slot& slot) {
  slots_[place] = slot;
  slot.queue->wake_slot = static_cast<std::uint32_t>(place);
}

void WakeOrder::rise(std::size_t place, const Slot& slot) {
  while (place > 0 && slot < slots_[above(place)]) {
    put(place, slots_[above(place)]);
    place = above(place);
  }
  put(place, slot);
}

void WakeOrder::sink(std::size_t place, const Slot& slot) {
  while (true) {
    std::size_t below = 2 * place + 1;
    if (below >= slots_.size()) break;
    if (below + 1 < slots_.size() && slots_[below + 1] < slots_[below]) ++below;
    if (!(slots_[below] < slot)) break;
    put(place, slots_[below]);
    place = below;
  }
  put(place, slot);
}

}  // namespace postrider::queue
