// Stands in front of relay/tls/handshaker.cc as virtual_event.cc does in front of relay/event: the
// steps are made at once, on the one thread of virtual time.
#include <utility>

#include "relay/tls/handshaker.h"

namespace postrider::tls {

Handshaker::Handshaker(std::string name) : name_(std::move(name)) {}

Handshaker::~Handshaker() = default;

void Handshaker::receive(std::shared_ptr<Engine> engine, std::string ciphertext, Executor& reply_on,
                         Done done) {
  std::string plain;
  engine->receive(ciphertext, plain);
  reply_on.post(
      [done = std::move(done), plain = std::move(plain)]() mutable { done(std::move(plain)); });
}

}  // namespace postrider::tls
