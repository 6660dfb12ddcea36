#include "relay/tls/handshaker.h"

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

namespace postrider::tls {

Handshaker::Handshaker(std::string name) : name_(std::move(name)) {}

Handshaker::~Handshaker() {
  stop();
}

void Handshaker::receive(std::shared_ptr<Engine> engine, std::string ciphertext, Executor& reply_on,
                         Done done) {
  auto step = [engine = std::move(engine), ciphertext = std::move(ciphertext), &reply_on,
               done = std::move(done)](ThreadPool::Call call) mutable {
    if (call == ThreadPool::Call::kStopped) return;
    std::string plain;
    engine->receive(ciphertext, plain);
    engine.reset();  // the last use here: its connection may be gone
    reply_on.post(
        [done = std::move(done), plain = std::move(plain)]() mutable { done(std::move(plain)); });
  };
  auto held = pool_.lock();
  if (!*held) {
    *held = std::make_unique<ThreadPool>(name_, std::max(1U, std::thread::hardware_concurrency()),
                                         std::numeric_limits<std::size_t>::max());
  }
  (void)(*held)->submit(std::move(step));
}

void Handshaker::stop() {
  std::unique_ptr<ThreadPool> ended;
  pool_.lock()->swap(ended);
}

}  // namespace postrider::tls
