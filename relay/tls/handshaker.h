// Handshaker: carries out the steps of handshakes on threads of its own. Their arithmetic takes
// what a hundred replies take; done on a loop, the handshakes of strangers would hold up the mail
// under way. Each direction has one, so that who connects to us does not hold up our deliveries.
// Thread: any.
#pragma once

#include <memory>
#include <string>

#include "relay/base/executor.h"
#include "relay/base/guarded.h"
#include "relay/base/task.h"
#include "relay/base/thread_pool.h"
#include "relay/tls/engine.h"

namespace postrider::tls {

class Handshaker {
 public:
  // `name` shows in lists of threads, at most 15 octets. There is a thread a core, from the first
  // step on.
  explicit Handshaker(std::string name);
  ~Handshaker();
  Handshaker(const Handshaker&) = delete;
  Handshaker& operator=(const Handshaker&) = delete;

  // What Engine::receive decrypted behind the handshake, mostly nothing.
  using Done = UniqueFunction<void(std::string plain)>;
  // Engine::receive() for an engine that is kHandshaking, which nobody else uses until `done` runs
  // through `reply_on`. Never refused: a connection has one step at a time, so their number bounds
  // what waits.
  void receive(std::shared_ptr<Engine> engine, std::string ciphertext, Executor& reply_on,
               Done done);
  // Waits for the steps in progress; what waits is dropped. When nobody calls receive() any more,
  // and before what `reply_on` refers to ends.
  void stop();

 private:
  const std::string name_;
  Guarded<std::unique_ptr<ThreadPool>> pool_;
};

}  // namespace postrider::tls
