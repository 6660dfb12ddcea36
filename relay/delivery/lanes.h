// Lanes: the connections that a worker carries for sites which other workers own, so that one
// destination can use every core. The site alone decides what goes where and when; the lane speaks
// to the host, judges its replies and concludes the deliveries.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "relay/delivery/channel.h"
#include "relay/delivery/shared.h"
#include "relay/event/loop.h"

namespace postrider::delivery {

class Lanes {
 public:
  // What is referred to outlives it.
  Lanes(Shared& shared, event::Loop& loop);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // A channel of a site on the loop `home`, whose connection is on this worker's loop. `owner` is
  // told on `home`. Thread: that of `home`; the channel belongs to it.
  std::unique_ptr<Channel> make_channel(event::Loop& home, ChannelOwner& owner,
                                        ChannelOptions options, std::vector<Target> targets);
  // Cuts every connection; their owners are told nothing any more. Thread: this worker's loop.
  void cut_off();

 private:
  class Near;
  class Far;
  struct Link;

  void start(const std::shared_ptr<Link>& link, event::Loop& home, ChannelOptions options,
             std::vector<Target> targets);

  Shared& shared_;
  event::Loop& loop_;
  std::unordered_map<Far*, std::unique_ptr<Far>> fars_;
  bool cut_ = false;
};

}  // namespace postrider::delivery
