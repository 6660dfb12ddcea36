#include "relay/policy/client_seats.h"

#include "relay/base/check.h"
#include "relay/policy/admission.h"

namespace postrider::policy {

ClientSeats::Seat ClientSeats::take(const IpAddress& client) {
  const IpAddress network = client_network(client);
  auto counts = counts_.lock();
  const auto found = counts->by_client.find(network);
  const std::size_t held = found == counts->by_client.end() ? 0 : found->second;
  // Without a subtraction: the limit may have been lowered below what is taken.
  if (max_ != 0 && counts->total + held >= max_) return nullptr;
  ++counts->by_client[network];
  ++counts->total;
  return Seat(this, {network});
}

void ClientSeats::give_back(const IpAddress& client) {
  auto counts = counts_.lock();
  const auto found = counts->by_client.find(client);
  PR_CHECK(found != counts->by_client.end(), "a place given back twice");
  if (--found->second == 0) counts->by_client.erase(found);
  --counts->total;
}

}  // namespace postrider::policy
