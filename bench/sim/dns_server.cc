#include "bench/sim/dns_server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/socket.h>
#include <utility>

#include "bench/sim/dns_zone.h"
#include "relay/event/loop.h"

namespace postrider::bench {

namespace {

constexpr std::size_t kMaxMessage = 65535;
// Datagrams read in one wake-up, before other handles of the loop get their turn.
constexpr int kDatagramsPerTurn = 128;
constexpr int kPortTries = 32;

Result<event::Descriptor> bind_udp(const Endpoint& endpoint) {
  const int family = endpoint.ip.is_v4() ? AF_INET : AF_INET6;
  event::Descriptor socket(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  const socklen_t length = endpoint.to_sockaddr(storage);
  if (!socket.valid() ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    return failure(Error::from_errno("binding UDP " + endpoint.to_string(), errno));
  }
  return socket;
}

}  // namespace

// One client over TCP: messages with a length in front (RFC 1035 section 4.2.2).
class DnsServer::Connection final : public event::StreamEvents {
 public:
  explicit Connection(DnsServer& server) : server_(server) {}

  bool open(event::Descriptor descriptor) {
    auto stream = event::Stream::adopt(server_.loop_, std::move(descriptor), *this);
    if (stream) stream_.emplace(*std::move(stream));
    return stream_.has_value();
  }

  void on_data(std::string_view bytes) override {
    input_ += bytes;
    while (input_.size() >= 2) {
      const std::size_t length = static_cast<std::size_t>(static_cast<unsigned char>(input_[0]))
                                     << 8U |
                                 static_cast<unsigned char>(input_[1]);
      if (input_.size() < length + 2) return;
      const auto reply = server_.answer(std::string_view(input_).substr(2, length), false);
      input_.erase(0, length + 2);
      if (!reply) continue;
      std::string framed;
      framed += static_cast<char>(reply->size() >> 8U);
      framed += static_cast<char>(reply->size() & 0xFFU);
      stream_->write(framed + *reply);
    }
  }

  void on_end() override { server_.drop(this); }

  void on_failure(const Error&) override { server_.drop(this); }

 private:
  DnsServer& server_;
  std::optional<event::Stream> stream_;
  std::string input_;  // less than one message
};

DnsServer::DnsServer(event::Loop& loop, RuleBoard& board) : loop_(loop), rules_(board) {}

DnsServer::~DnsServer() = default;

Result<std::unique_ptr<DnsServer>> DnsServer::create(event::Loop& loop, const Endpoint& endpoint,
                                                     RuleBoard& board) {
  std::unique_ptr<DnsServer> server(new DnsServer(loop, board));
  if (auto bound = server->bind_both(endpoint); !bound) return failure(bound.error());
  DnsServer* const raw = server.get();
  auto listener = event::Listener::create(
      loop, std::move(server->tcp_),
      [raw](event::Descriptor descriptor, Endpoint) { raw->accept(std::move(descriptor)); }, [] {});
  if (!listener) return failure(listener.error());
  server->listener_.emplace(*std::move(listener));
  auto poll =
      event::Poll::create(loop, server->udp_.get(), [raw](bool, bool) { raw->read_datagrams(); });
  if (!poll) return failure(poll.error());
  server->poll_.emplace(*std::move(poll));
  server->poll_->watch(true, false);
  return server;
}

Result<void> DnsServer::bind_both(const Endpoint& endpoint) {
  for (int attempt = 1;; ++attempt) {
    auto tcp = event::listen_on(endpoint);
    if (!tcp) return failure(tcp.error());
    const auto local = event::local_endpoint(tcp->get());
    if (!local) return failure(local.error());
    auto udp = bind_udp(*local);
    if (!udp) {
      // A port that the system chose for TCP may be taken for UDP.
      if (endpoint.port == 0 && attempt < kPortTries) continue;
      return failure(udp.error());
    }
    endpoint_ = *local;
    tcp_ = *std::move(tcp);
    udp_ = *std::move(udp);
    return {};
  }
}

void DnsServer::read_datagrams() {
  std::array<char, 4096> buffer;  // a query is far smaller
  for (int i = 0; i < kDatagramsPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    auto* const address = reinterpret_cast<sockaddr*>(&peer);
    const ssize_t count = ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0, address, &length);
    if (count < 0) return;
    const auto reply = answer({buffer.data(), static_cast<std::size_t>(count)}, true);
    // A reply that the kernel does not take is lost, as replies over UDP may be.
    if (reply) ::sendto(udp_.get(), reply->data(), reply->size(), 0, address, length);
  }
}

void DnsServer::accept(event::Descriptor descriptor) {
  if (connections_.size() >= kMaxConnections) return;
  auto connection = std::make_unique<Connection>(*this);
  if (connection->open(std::move(descriptor))) connections_.push_back(std::move(connection));
}

void DnsServer::drop(Connection* connection) {
  connections_.remove_if([&](const auto& owned) { return owned.get() == connection; });
}

std::optional<std::string> DnsServer::answer(std::string_view query, bool over_udp) {
  (over_udp ? udp_queries_ : tcp_queries_).fetch_add(1, std::memory_order_relaxed);
  std::string unreadable;
  const auto question = parse_dns_query(query, unreadable);
  if (!question) {
    if (unreadable.empty()) return std::nullopt;
    return unreadable;
  }
  const auto transport = over_udp ? DnsTransport::kUdp : DnsTransport::kTcp;
  const auto reply = answer_dns(*question, transport, rules_.current());
  if (!reply) return std::nullopt;
  return write_dns_reply(*question, *reply, over_udp ? question->udp_size : kMaxMessage);
}

}  // namespace postrider::bench
