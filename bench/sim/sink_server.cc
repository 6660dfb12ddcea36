#include "bench/sim/sink_server.h"

#include <atomic>
#include <cerrno>
#include <list>
#include <thread>
#include <unordered_map>
#include <utility>

#include "bench/sim/sink_connection.h"
#include "relay/base/log.h"
#include "relay/event/loop.h"

namespace postrider::bench {

namespace {

constexpr int kPortTries = 32;

// Listening sockets on one port of all addresses.
Result<std::vector<event::Descriptor>> bind_all(const std::vector<IpAddress>& addresses,
                                                std::uint16_t port) {
  std::vector<event::Descriptor> sockets;
  std::uint16_t chosen = port;
  for (const IpAddress& address : addresses) {
    auto socket = event::listen_on({address, chosen});
    if (!socket) return failure(socket.error());
    if (chosen == 0) {
      const auto local = event::local_endpoint(socket->get());
      if (!local) return failure(local.error());
      chosen = local->port;
    }
    sockets.push_back(*std::move(socket));
  }
  return sockets;
}

}  // namespace

class SinkServer::Worker {
 public:
  static Result<std::unique_ptr<Worker>> create(const Parts& parts, std::size_t size_max,
                                                std::atomic<std::uint64_t>& last_connection) {
    auto loop = event::Loop::create();
    if (!loop) return failure(loop.error());
    return std::make_unique<Worker>(*std::move(loop), parts, size_max, last_connection);
  }

  Worker(std::unique_ptr<event::Loop> loop, const Parts& parts, std::size_t size_max,
         std::atomic<std::uint64_t>& last_connection)
      : loop_(std::move(loop)),
        tls_(parts.tls),
        last_connection_(last_connection),
        world_{RuleBoard::Reader(parts.rules), parts.statistics, parts.log, parts.greylist,
               size_max} {}

  ~Worker() { stop(); }

  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Result<void> listen(const IpAddress& address, event::Descriptor socket) {
    places_.push_back({address});
    PlaceState* const place = &places_.back();
    auto listener = event::Listener::create(
        *loop_, std::move(socket),
        [this, place](event::Descriptor descriptor, Endpoint) {
          accept(*place, std::move(descriptor));
        },
        [] { log::warning("sim", "out of descriptors: a connection was turned away"); });
    if (!listener) return failure(listener.error());
    listeners_.push_back(*std::move(listener));
    return {};
  }

  void start() {
    thread_ = std::thread([this] { loop_->run(); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    loop_->stop();
    thread_.join();
  }

 private:
  struct PlaceState {
    IpAddress address;
    std::uint64_t open = 0;
  };

  void accept(PlaceState& place, event::Descriptor descriptor) {
    const std::uint64_t number = last_connection_.fetch_add(1, std::memory_order_relaxed) + 1;
    ++place.open;
    auto connection = std::make_unique<SinkConnection>(
        *loop_, world_, tls_, SinkConnection::Place{place.address, number, place.open},
        [this, number, &place] {
          // Posted: the connection is in one of its callbacks.
          loop_->post([this, number, &place] {
            if (connections_.erase(number) > 0) --place.open;
          });
        });
    SinkConnection* const raw = connection.get();
    connections_.emplace(number, std::move(connection));
    raw->open(std::move(descriptor));
  }

  // Declared in the order in which they are needed: the loop ends last.
  std::unique_ptr<event::Loop> loop_;
  const TlsContext& tls_;
  std::atomic<std::uint64_t>& last_connection_;
  SinkWorld world_;
  std::list<PlaceState> places_;
  std::vector<event::Listener> listeners_;
  std::unordered_map<std::uint64_t, std::unique_ptr<SinkConnection>> connections_;
  std::thread thread_;
};

SinkServer::SinkServer() = default;

SinkServer::~SinkServer() {
  stop();
}

Result<std::unique_ptr<SinkServer>> SinkServer::create(const Options& options, const Parts& parts) {
  std::unique_ptr<SinkServer> server(new SinkServer());
  auto sockets = bind_all(options.addresses, options.port);
  // A port that the system chose for the first address may be taken on another.
  for (int attempt = 1; !sockets && options.port == 0 && attempt < kPortTries; ++attempt) {
    if (sockets.error().system_code() != EADDRINUSE) break;
    sockets = bind_all(options.addresses, 0);
  }
  if (!sockets) return failure(sockets.error());
  for (std::uint64_t i = 0; i < options.threads; ++i) {
    auto worker = Worker::create(parts, options.size_max, server->last_connection_);
    if (!worker) return failure(worker.error());
    server->workers_.push_back(*std::move(worker));
  }
  for (std::size_t i = 0; i < options.addresses.size(); ++i) {
    const auto local = event::local_endpoint((*sockets)[i].get());
    if (!local) return failure(local.error());
    server->port_ = local->port;
    Worker& worker = *server->workers_[i % server->workers_.size()];
    auto listening = worker.listen(options.addresses[i], std::move((*sockets)[i]));
    if (!listening) return failure(listening.error());
  }
  return server;
}

void SinkServer::start() {
  for (auto& worker : workers_) worker->start();
}

void SinkServer::stop() {
  for (auto& worker : workers_) worker->stop();
  workers_.clear();
}

}  // namespace postrider::bench
