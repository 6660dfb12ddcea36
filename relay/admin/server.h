// Admin server: metrics, health and the queue over HTTP, on threads of its own. Everything the
// command line can do to a running relay goes through here. /metrics and /healthz are answered
// whatever the other requests wait for; of those a few are answered at a time and a few more wait,
// and beyond that the answer is 503.
//
//   GET    /metrics                 text exposition
//   GET    /healthz                 200 {"status":"ok"} or 503 with the reason
//   GET    /queue?limit=N           queues, largest first, and totals
//   GET    /messages?domain=&sender=&limit=N        messages, oldest first
//   GET    /explain?address=&tenant=                what would become of mail for an address
//   GET    /messages/ID             one message and its deliveries
//   DELETE /messages?id=|domain=|sender=|all=1      removes; the answer counts
//   POST   /messages/retry?id=|domain=|sender=|all=1   makes them due now
//
// Answers are JSON (but /metrics); errors are {"error": "..."} with a 4xx or 5xx code. On a
// loopback address no token is needed unless one is set; on any other address a token is required
// ("Authorization: Bearer ..."), for /metrics and /healthz too. Where none is needed, all but these
// two must be asked for by address or as localhost (403): any other name may be that of a web page
// whose owner has pointed it here (DNS rebinding). Thread: any.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "metrics/metrics.h"
#include "queue/queue.h"
#include "relay/base/clock.h"
#include "relay/base/ip.h"
#include "relay/base/result.h"
#include "relay/message/address.h"

namespace postrider::admin {

struct Options {
  // Port 0: the system chooses; see Server::endpoint().
  Endpoint address{*IpAddress::parse("127.0.0.1"), 8025};
  bool enabled = true;
  // Empty: none is asked for; then the address must be a loopback one.
  std::string token;
};

// What would become of mail for an address, of a tenant (""): the answer of GET /explain, as JSON.
// Called on the server's threads, where it may wait.
using Explain =
    std::function<Result<std::string>(const message::Address& address, const std::string& tenant)>;

class Server {
 public:
  // Binds at once (errors name the address) and serves until destroyed. `queue`, `metrics` and
  // `clock` must outlive it.
  static Result<std::unique_ptr<Server>> start(const Options& options, queue::Queue& queue,
                                               metrics::Registry& metrics, const Clock& clock,
                                               Explain explain = {});
  // Waits for the requests in progress.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] const Endpoint& endpoint() const;

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace postrider::admin
