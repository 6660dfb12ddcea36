// Acceptor: takes connections from the listening sockets, has them admitted or refused, and hands
// each to the worker with the fewest sessions.
//
// Not SO_REUSEPORT: it would let a second instance share the port unseen and spread a few bulk
// sessions unevenly. Thread: loop-affine (the main loop).
#pragma once

#include <vector>

#include "relay/event/tcp.h"
#include "relay/submission/receiver.h"

namespace postrider::submission {

class Acceptor {
 public:
  // Everything referred to outlives the acceptor.
  Acceptor(event::Loop& loop, Shared& shared, std::vector<Receiver*> receivers);

  // Starts accepting on a socket that listens; fails where the loop refuses it. `listener` outlives
  // the sessions it gives rise to.
  Result<void> serve(event::Descriptor listening, const Listener& listener);

  // Accepts no more; closes the listening sockets.
  void stop() { listeners_.clear(); }

 private:
  void accept(event::Descriptor descriptor, const Endpoint& peer, const Listener& listener);
  void note_exhaustion(const Listener& listener);
  [[nodiscard]] Receiver& least_loaded() const;
  [[nodiscard]] std::size_t sessions() const;

  // To refuse in words takes a session, and so does waiting for a PROXY header. So many are open
  // above connections_max for that; beyond, the connection is just closed.
  static constexpr std::size_t kWithoutEntryMax = 1000;

  event::Loop& loop_;
  Shared& shared_;
  std::vector<Receiver*> receivers_;
  std::vector<event::Listener> listeners_;
};

}  // namespace postrider::submission
