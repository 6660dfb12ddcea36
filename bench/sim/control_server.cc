#include "bench/sim/control_server.h"

#include <utility>

#include "relay/event/loop.h"

namespace postrider::bench {

class ControlServer::Connection final : public event::StreamEvents {
 public:
  explicit Connection(ControlServer& server) : server_(server) {}

  bool open(event::Descriptor descriptor) {
    auto stream = event::Stream::adopt(server_.loop_, std::move(descriptor), *this);
    if (stream) stream_.emplace(*std::move(stream));
    return stream_.has_value();
  }

  void on_data(std::string_view bytes) override {
    input_ += bytes;
    for (std::size_t end = input_.find('\n'); end != input_.npos; end = input_.find('\n')) {
      std::string line = input_.substr(0, end);
      if (line.ends_with('\r')) line.pop_back();
      input_.erase(0, end + 1);
      stream_->write(server_.handler_(line) + "\n");
    }
    if (input_.size() > kMaxLine) server_.drop(this);
  }

  void on_end() override { server_.drop(this); }

  void on_failure(const Error&) override { server_.drop(this); }

 private:
  ControlServer& server_;
  std::optional<event::Stream> stream_;
  std::string input_;
};

ControlServer::ControlServer(event::Loop& loop, Handler handler)
    : loop_(loop), handler_(std::move(handler)) {}

ControlServer::~ControlServer() = default;

Result<std::unique_ptr<ControlServer>> ControlServer::create(event::Loop& loop,
                                                             const Endpoint& endpoint,
                                                             Handler handler) {
  std::unique_ptr<ControlServer> server(new ControlServer(loop, std::move(handler)));
  auto socket = event::listen_on(endpoint);
  if (!socket) return failure(socket.error());
  auto listener = event::Listener::create(
      loop, *std::move(socket),
      [raw = server.get()](event::Descriptor descriptor, Endpoint) {
        raw->accept(std::move(descriptor));
      },
      [] {});
  if (!listener) return failure(listener.error());
  server->listener_.emplace(*std::move(listener));
  return server;
}

void ControlServer::accept(event::Descriptor descriptor) {
  if (connections_.size() >= kMaxConnections) return;
  auto connection = std::make_unique<Connection>(*this);
  if (connection->open(std::move(descriptor))) connections_.push_back(std::move(connection));
}

void ControlServer::drop(Connection* connection) {
  connections_.remove_if([&](const auto& owned) { return owned.get() == connection; });
}

}  // namespace postrider::bench
