// ControlServer: the line protocol over TCP with which tests and people steer a running simulation:
// a command a line, an answer a line. Thread: loop-affine.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "relay/base/task.h"
#include "relay/event/tcp.h"

namespace postrider::event {
class Loop;
}

namespace postrider::bench {

class ControlServer {
 public:
  static constexpr std::size_t kMaxConnections = 64;
  // A longer line ends its connection.
  static constexpr std::size_t kMaxLine = std::size_t{64} * 1024;

  using Handler = UniqueFunction<std::string(std::string_view line)>;

  // `handler` answers a line with a line. `loop` must outlive the server.
  static Result<std::unique_ptr<ControlServer>> create(event::Loop& loop, const Endpoint& endpoint,
                                                       Handler handler);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  [[nodiscard]] const Endpoint& endpoint() const { return listener_->endpoint(); }

 private:
  class Connection;

  ControlServer(event::Loop& loop, Handler handler);

  void accept(event::Descriptor descriptor);
  void drop(Connection* connection);

  event::Loop& loop_;
  Handler handler_;
  std::optional<event::Listener> listener_;
  std::list<std::unique_ptr<Connection>> connections_;
};

}  // namespace postrider::bench
