// CachingResolver: the resolver's contract over a transport. Requests come in through a mailbox
// from any thread; resolutions, lookups and deadlines live on the loop.
//
// Deadlines are real time, as the transport's are; the injected clock decides what the cache keeps.
// Thread: resolve() any; the rest loop-affine.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "dns/lookups.h"
#include "dns/resolution.h"
#include "dns/resolver.h"
#include "dns/transport.h"
#include "relay/base/guarded.h"
#include "relay/event/timer.h"

namespace postrider::dns {

class CachingResolver final : public Resolver {
 public:
  // `loop`, `clock`, `random` and `metrics` must outlive the resolver. The transport's replies are
  // to reach reply().
  CachingResolver(event::Loop& loop, Options options, const Clock& clock, Random& random,
                  metrics::Registry& metrics, std::unique_ptr<Transport> transport);
  ~CachingResolver() override;
  CachingResolver(const CachingResolver&) = delete;
  CachingResolver& operator=(const CachingResolver&) = delete;

  void resolve(std::string domain, Executor& reply_on,
               UniqueFunction<void(std::shared_ptr<const Route>)> done) override;
  void resolve_host(std::string host, Executor& reply_on,
                    UniqueFunction<void(std::shared_ptr<const Route>)> done) override;
  void stop() override;

  void reply(std::uint16_t id, Delivery delivery, const std::string& packet);

 private:
  struct Request {
    std::string domain;
    Resolution::Kind kind;
    Executor* reply_on;
    UniqueFunction<void(std::shared_ptr<const Route>)> done;
  };

  struct Mailbox {
    std::vector<Request> requests;
    bool stopped = false;
  };

  struct Active;
  using RealTime = std::chrono::steady_clock::time_point;

  struct Deadline {
    RealTime at;
    std::weak_ptr<Active> active;
  };

  void post(Request request);
  void take_requests();
  void start(Request request);
  void advance(const std::shared_ptr<Active>& active);
  void finish(const std::shared_ptr<Active>& active);
  void arm_timer();
  void on_timer();
  void answer(Request request, std::shared_ptr<const Route> route);

  event::Loop& loop_;
  const Options options_;
  Random& random_;
  metrics::Counter overloads_;
  std::unique_ptr<Transport> transport_;
  Lookups lookups_;
  Guarded<Mailbox> mailbox_;
  std::atomic<std::size_t> waiting_{0};  // requests taken and not answered
  bool stopped_ = false;
  std::unordered_map<std::string, std::shared_ptr<Active>> active_;  // by kind and domain
  std::deque<Deadline> deadlines_;  // all are equally long, so the earliest is in front
  event::Timer timer_;
  std::shared_ptr<CachingResolver*> alive_;  // what posted tasks look at before they touch us
};

}  // namespace postrider::dns
