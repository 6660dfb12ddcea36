#include "relay/delivery/queue_turns.h"

namespace postrider::delivery {

void QueueTurns::join(const Member& queue) {
  OfBand& band = of(queue.band);
  if (band.tenants.size() == 0) {
    order_.join(queue.band, kShares.at(static_cast<std::size_t>(queue.band)));
  }
  policy::FairTurns<Id>& queues = band.queues[queue.tenant];
  if (queues.size() == 0) band.tenants.join(queue.tenant, queue.weight);
  queues.join(queue.id, 1);
  ++size_;
}

void QueueTurns::leave(const Member& queue) {
  OfBand& band = of(queue.band);
  const auto tenant = band.queues.find(queue.tenant);
  if (tenant == band.queues.end() || !tenant->second.has(queue.id)) return;
  --size_;
  tenant->second.leave(queue.id);
  if (tenant->second.size() > 0) return;
  band.queues.erase(tenant);
  band.tenants.leave(queue.tenant);
  if (band.tenants.size() == 0) order_.leave(queue.band);
}

std::optional<QueueTurns::Id> QueueTurns::next() const {
  const queue::Band* band = order_.next();
  if (band == nullptr) return std::nullopt;
  const OfBand& chosen = bands_.at(static_cast<std::size_t>(*band));
  return *chosen.queues.at(*chosen.tenants.next()).next();
}

void QueueTurns::take(const Member& queue) {
  OfBand& band = of(queue.band);
  order_.take(queue.band);
  band.tenants.take(queue.tenant);
  band.queues.at(queue.tenant).take(queue.id);
}

}  // namespace postrider::delivery
