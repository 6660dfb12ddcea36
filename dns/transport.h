// Transport: sends a packet to one of the DNS servers, once, and tells what came back. The port
// between the rules of asking (lookups) and the library that has the sockets (ares_resolver).
// Thread: loop-affine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "relay/base/task.h"

namespace postrider::dns {

enum class Delivery : std::uint8_t {
  kAnswered,
  kTimeout,
  kUnreachable,  // refused, or the connection was lost
};

// `packet` is empty unless kAnswered; its id and question are those of the query.
using OnReply = UniqueFunction<void(std::uint16_t id, Delivery, const std::string& packet)>;

class Transport {
 public:
  virtual ~Transport() = default;
  [[nodiscard]] virtual std::size_t servers() const = 0;
  // Of the server, for logs.
  [[nodiscard]] virtual std::string server_name(std::size_t server) const = 0;
  // Whether the server is on this machine, so that nobody can forge its answers on the way.
  [[nodiscard]] virtual bool is_local(std::size_t server) const = 0;
  // `query` is a packet of build_query whose id no other query in flight has. Its reply comes later
  // through OnReply, never from inside this call.
  virtual void send(std::size_t server, bool tcp, const std::string& query) = 0;
  // Closes all sockets; no reply comes any more.
  virtual void close() = 0;
};

}  // namespace postrider::dns
