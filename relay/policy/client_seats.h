// ClientSeats: a bounded number of places, of which no client takes the last ones: it gets another
// only while it holds fewer than are free. One client alone may so have half of them, twenty have
// each one of twenty-one parts, and as many stay free for the next.
//
// Thread: any (one mutex); outlives its seats.
#pragma once

#include <cstddef>
#include <map>
#include <memory>

#include "relay/base/guarded.h"
#include "relay/base/ip.h"

namespace postrider::policy {

class ClientSeats {
 public:
  // 0: as many as are asked for. `max` outlives the seats.
  explicit ClientSeats(const std::size_t& max) : max_(max) {}

  struct GiveBack {
    IpAddress client = {};

    void operator()(ClientSeats* seats) const { seats->give_back(client); }
  };

  // Given back when it is destroyed. Null: none.
  using Seat = std::unique_ptr<ClientSeats, GiveBack>;

  // Null: this client (see client_network()) holds as many as are free.
  [[nodiscard]] Seat take(const IpAddress& client);

  [[nodiscard]] std::size_t taken() const { return counts_.lock()->total; }

 private:
  struct Counts {
    std::map<IpAddress, std::size_t> by_client;
    std::size_t total = 0;
  };

  void give_back(const IpAddress& client);

  const std::size_t& max_;
  mutable Guarded<Counts> counts_;
};

}  // namespace postrider::policy
