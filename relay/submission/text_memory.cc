#include "relay/submission/text_memory.h"

#include "relay/policy/admission.h"

namespace postrider::submission {

TextShare TextMemory::share(const IpAddress& client) {
  const IpAddress network = policy::client_network(client);
  auto by_client = by_client_.lock();
  std::weak_ptr<Octets>& known = (*by_client)[network];
  auto octets = known.lock();
  if (!octets) {
    octets.reset(new Octets{0}, [this, network](Octets* last) {
      delete last;
      forget(network);
    });
    known = octets;
  }
  return {*this, std::move(octets)};
}

// After its last share; another may have been made meanwhile.
void TextMemory::forget(const IpAddress& client) {
  auto by_client = by_client_.lock();
  const auto found = by_client->find(client);
  if (found != by_client->end() && found->second.expired()) by_client->erase(found);
}

TextLimit TextShare::add(std::size_t octets) {
  held_ += octets;
  const std::size_t all = memory_->total_.fetch_add(octets, std::memory_order_relaxed) + octets;
  const std::size_t own = of_client_->fetch_add(octets, std::memory_order_relaxed) + octets;
  if (own > memory_->client_max_) return TextLimit::kClient;
  return all > memory_->max_ ? TextLimit::kAll : TextLimit::kNone;
}

void TextShare::give_back(std::size_t octets) {
  if (octets == 0) return;  // perhaps of no memory
  held_ -= octets;
  memory_->total_.fetch_sub(octets, std::memory_order_relaxed);
  of_client_->fetch_sub(octets, std::memory_order_relaxed);
}

}  // namespace postrider::submission
