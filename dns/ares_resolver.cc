// The door to c-ares: it sends packets that lookups.cc has built, repeats nothing and judges
// nothing; what a server said comes back as it is.
//
// A server has two channels, one for UDP and one for TCP, each with a single try: repetition,
// failover and the turn to TCP stay in one place, and c-ares never rewrites a query. Its callbacks
// only note what came; that is acted on after c-ares has returned, because versions of it have
// freed what they still used when a callback sent, cancelled or destroyed.
#include <algorithm>
#include <ares.h>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dns/caching_resolver.h"
#include "dns/resolver.h"
#include "dns/transport.h"
#include "relay/base/log.h"
#include "relay/event/loop.h"
#include "relay/event/poll.h"
#include "relay/event/timer.h"

namespace postrider::dns {

namespace {

constexpr std::uint16_t kDnsPort = 53;
// RFC 1035 section 2.3.4: of a datagram without EDNS.
constexpr std::size_t kClassicUdpSize = 512;
// As many as resolv.conf may name, and some.
constexpr std::size_t kServersMax = 8;
// Looking for the next timeout goes through all queries in flight, so it is not done more often.
constexpr Duration kTimeoutStep = Milliseconds(5);

Error ares_error(std::string_view what, int status) {
  return Error(std::string(what).append(": ").append(ares_strerror(status)));
}

int initialise_library() {
  static std::once_flag once;
  static int status = ARES_SUCCESS;
  std::call_once(once, [] { status = ares_library_init(ARES_LIB_INIT_ALL); });
  return status;
}

class AresTransport final : public Transport {
 public:
  AresTransport(event::Loop& loop, Duration query_timeout, OnReply on_reply);

  ~AresTransport() override { close(); }

  AresTransport(const AresTransport&) = delete;
  AresTransport& operator=(const AresTransport&) = delete;

  // Called once, before the first send.
  Result<void> open(const std::vector<Endpoint>& servers);

  [[nodiscard]] std::size_t servers() const override { return servers_.size(); }

  [[nodiscard]] std::string server_name(std::size_t server) const override {
    return servers_[server].to_string();
  }

  [[nodiscard]] bool is_local(std::size_t server) const override {
    return servers_[server].ip.is_loopback();
  }

  void send(std::size_t server, bool tcp, const std::string& query) override;
  void close() override;

 private:
  struct Channel {
    AresTransport* owner = nullptr;
    ares_channel ares = nullptr;
    std::unordered_map<int, event::Poll> polls;  // by descriptor
    // What was read last. c-ares hands a datagram on before it reads the next, but cuts it to the
    // 512 octets of RFC 1035 unless it wrote the query's EDNS record itself; whole it is here.
    std::string last_read;
  };

  struct Reply {
    std::uint16_t id;
    Delivery delivery;
    std::string packet;
  };

  // What a query in flight needs to find its way back; owned by c-ares until it calls back.
  struct Query {
    AresTransport* owner;
    Channel* channel;
    std::uint16_t id;
  };

  Result<void> open_channel(const Endpoint& server, bool tcp);
  static const ares_socket_functions socket_functions;
  static void on_socket(void* channel, int fd, int readable, int writable) noexcept;
  static void on_answer(void* query, int status, int timeouts, unsigned char* packet,
                        int length) noexcept;
  void ready(Channel& channel, int fd, bool readable, bool writable);
  void pass_timeouts();
  void arm();
  void hand_over();
  void hand_over_soon();

  event::Loop& loop_;
  Duration query_timeout_;
  OnReply on_reply_;
  std::vector<Endpoint> servers_;
  std::vector<std::unique_ptr<Channel>> channels_;  // two a server: UDP, TCP
  std::vector<Reply> replies_;                      // noted, not yet handed over
  std::size_t in_flight_ = 0;
  bool armed_ = false;
  bool handing_over_soon_ = false;
  event::Timer timer_;
  std::shared_ptr<AresTransport*> alive_;  // what posted tasks look at before they touch us
};

AresTransport::AresTransport(event::Loop& loop, Duration query_timeout, OnReply on_reply)
    : loop_(loop),
      query_timeout_(query_timeout),
      on_reply_(std::move(on_reply)),
      timer_(loop, [this] { pass_timeouts(); }),
      alive_(std::make_shared<AresTransport*>(this)) {}

Result<void> AresTransport::open(const std::vector<Endpoint>& servers) {
  for (const Endpoint& server : servers) {
    for (const bool tcp : {false, true}) {
      if (auto opened = open_channel(server, tcp); !opened) return opened;
    }
    servers_.push_back(server);
  }
  return {};
}

Result<void> AresTransport::open_channel(const Endpoint& server, bool tcp) {
  auto channel = std::make_unique<Channel>();
  channel->owner = this;
  char lookups[] = "b";  // DNS alone: no hosts file
  ares_options options{};
  // NOCHECKRESP: SERVFAIL and the like arrive as packets. IGNTC: we decide when to use TCP.
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC | (tcp ? ARES_FLAG_USEVC : 0);
  const auto timeout = std::chrono::ceil<Milliseconds>(query_timeout_).count();
  options.timeout = static_cast<int>(std::clamp<std::int64_t>(timeout, 1, 3'600'000));
  options.tries = 1;
  options.lookups = lookups;
  options.sock_state_cb = &AresTransport::on_socket;
  options.sock_state_cb_data = channel.get();
  constexpr int kMask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                        ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE | ARES_OPT_DOMAINS;
  if (const int status = ares_init_options(&channel->ares, &options, kMask);
      status != ARES_SUCCESS) {
    return failure(ares_error("opening a DNS channel", status));
  }
  ares_set_socket_functions(channel->ares, &socket_functions, channel.get());
  channels_.push_back(std::move(channel));

  ares_addr_port_node node{};
  const std::string_view address = server.ip.bytes();
  node.family = server.ip.is_v4() ? AF_INET : AF_INET6;
  std::memcpy(&node.addr, address.data(), address.size());
  node.udp_port = server.port;
  node.tcp_port = server.port;
  const int status = ares_set_servers_ports(channels_.back()->ares, &node);
  if (status == ARES_SUCCESS) return {};
  return failure(ares_error("setting the DNS server " + server.to_string(), status));
}

void AresTransport::send(std::size_t server, bool tcp, const std::string& query) {
  if (channels_.empty()) return;
  const auto high = static_cast<unsigned char>(query[0]);
  const auto low = static_cast<unsigned char>(query[1]);
  const auto id = static_cast<std::uint16_t>(high << 8 | low);
  Channel& channel = *channels_[server * 2 + (tcp ? 1 : 0)];
  auto in_flight = std::make_unique<Query>(Query{this, &channel, id});
  ++in_flight_;
  ares_send(channel.ares, reinterpret_cast<const unsigned char*>(query.data()),
            static_cast<int>(query.size()), &AresTransport::on_answer, in_flight.release());
  if (!replies_.empty()) hand_over_soon();
  // All timeouts are equally long, so an armed timer is never too late for a newer query.
  if (!armed_) arm();
}

void AresTransport::on_answer(void* query, int status, int /*timeouts*/, unsigned char* packet,
                              int length) noexcept {
  const std::unique_ptr<Query> answered(static_cast<Query*>(query));
  AresTransport& self = *answered->owner;
  --self.in_flight_;
  Reply reply{answered->id, Delivery::kUnreachable, {}};
  if (status == ARES_SUCCESS && packet != nullptr && length > 0) {
    reply.delivery = Delivery::kAnswered;
    const std::string_view given(reinterpret_cast<const char*>(packet),
                                 static_cast<std::size_t>(length));
    const std::string& whole = answered->channel->last_read;
    const bool cut = given.size() == kClassicUdpSize && whole.starts_with(given);
    reply.packet = cut ? whole : std::string(given);
  } else if (status == ARES_ETIMEOUT) {
    reply.delivery = Delivery::kTimeout;
  }
  self.replies_.push_back(std::move(reply));
}

// With functions of our own c-ares sets no options: non-blocking, closed on exec and undelayed is
// what it would have set.
const ares_socket_functions AresTransport::socket_functions = {
    .asocket =
        [](int domain, int type, int protocol, void* /*channel*/) noexcept {
          const int fd = ::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
          const int on = 1;
          if (type == SOCK_STREAM) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
          return fd;
        },
    .aclose = [](int fd, void* /*channel*/) noexcept { return ::close(fd); },
    .aconnect = [](int fd, const sockaddr* server, socklen_t length,
                   void* /*channel*/) noexcept { return ::connect(fd, server, length); },
    .arecvfrom = [](int fd, void* buffer, std::size_t size, int flags, sockaddr* from,
                    socklen_t* from_length, void* channel) noexcept -> ares_ssize_t {
      const ssize_t count = ::recvfrom(fd, buffer, size, flags, from, from_length);
      static_cast<Channel*>(channel)->last_read.assign(
          static_cast<const char*>(buffer), count > 0 ? static_cast<std::size_t>(count) : 0);
      return count;
    },
    .asendv = [](int fd, const iovec* parts, int count,
                 void* /*channel*/) noexcept -> ares_ssize_t {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(parts);
      message.msg_iovlen = static_cast<std::size_t>(count);
      return ::sendmsg(fd, &message, MSG_NOSIGNAL);
    },
};

// c-ares opened a socket, wants something else of it, or (0, 0) is about to close it.
void AresTransport::on_socket(void* data, int fd, int readable, int writable) noexcept {
  Channel& channel = *static_cast<Channel*>(data);
  if (readable == 0 && writable == 0) {
    channel.polls.erase(fd);
    return;
  }
  auto poll = channel.polls.find(fd);
  if (poll == channel.polls.end()) {
    auto created = event::Poll::create(channel.owner->loop_, fd,
                                       [&channel, fd](bool can_read, bool can_write) {
                                         channel.owner->ready(channel, fd, can_read, can_write);
                                       });
    if (!created) {
      // Its queries run into their timeout.
      log::warning("dns", "cannot watch a DNS socket", {{"error", created.error().text()}});
      return;
    }
    poll = channel.polls.emplace(fd, *std::move(created)).first;
  }
  poll->second.watch(readable != 0, writable != 0);
}

void AresTransport::ready(Channel& channel, int fd, bool readable, bool writable) {
  ares_process_fd(channel.ares, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
  hand_over();
}

void AresTransport::pass_timeouts() {
  armed_ = false;
  for (const auto& channel : channels_) {
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
  hand_over();
  if (!armed_) arm();
}

void AresTransport::arm() {
  if (in_flight_ == 0) return;
  auto next = Duration::max();
  for (const auto& channel : channels_) {
    timeval left{};
    if (ares_timeout(channel->ares, nullptr, &left) == nullptr) continue;
    const Duration wait = Seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
    next = std::min(next, wait);
  }
  if (next == Duration::max()) return;
  armed_ = true;
  // c-ares counts in real time, whatever clock is injected elsewhere.
  timer_.arm(std::chrono::steady_clock::now() + std::max(next, kTimeoutStep));
}

void AresTransport::hand_over() {
  // A reply may lead to a send whose failure is noted at once.
  while (!replies_.empty()) {
    for (const Reply& reply : std::exchange(replies_, {})) {
      on_reply_(reply.id, reply.delivery, reply.packet);
    }
  }
}

void AresTransport::hand_over_soon() {
  if (std::exchange(handing_over_soon_, true)) return;
  loop_.post([alive = std::weak_ptr(alive_)] {
    const auto self = alive.lock();
    if (!self) return;
    (*self)->handing_over_soon_ = false;
    (*self)->hand_over();
  });
}

void AresTransport::close() {
  timer_.disarm();
  for (const auto& channel : channels_) {
    // Calls back for what is in flight, and tells of each socket it closes.
    if (channel->ares != nullptr) ares_destroy(channel->ares);
  }
  channels_.clear();
  replies_.clear();
}

// Those of resolv.conf; c-ares assumes 127.0.0.1 where there is none.
Result<std::vector<Endpoint>> system_servers() {
  ares_channel channel = nullptr;
  if (const int status = ares_init(&channel); status != ARES_SUCCESS) {
    return failure(ares_error("reading /etc/resolv.conf", status));
  }
  ares_addr_port_node* nodes = nullptr;
  const int status = ares_get_servers_ports(channel, &nodes);
  std::vector<Endpoint> servers;
  for (const auto* node = nodes; node != nullptr; node = node->next) {
    std::string address(node->family == AF_INET ? 4 : 16, '\0');
    std::memcpy(address.data(), &node->addr, address.size());
    const auto ip = IpAddress::from_bytes(address);
    if (ip) servers.push_back({*ip, kDnsPort});
  }
  ares_free_data(nodes);
  ares_destroy(channel);
  if (status != ARES_SUCCESS) return failure(ares_error("reading /etc/resolv.conf", status));
  if (servers.empty()) return failure("reading /etc/resolv.conf: it names no DNS server");
  return servers;
}

}  // namespace

Result<std::vector<Endpoint>> servers_of(const Options& options) {
  if (const int status = initialise_library(); status != ARES_SUCCESS) {
    return failure(ares_error("initialising the DNS library", status));
  }
  auto servers = options.servers.empty() ? system_servers() : options.servers;
  if (servers && servers->size() > kServersMax) servers->resize(kServersMax);
  return servers;
}

Result<std::unique_ptr<Resolver>> make_ares_resolver(event::Loop& loop, Options options,
                                                     const Clock& clock, Random& random,
                                                     metrics::Registry& metrics) {
  auto found = servers_of(options);
  if (!found) return failure(found.error());
  const std::vector<Endpoint> servers = *std::move(found);

  // The transport exists before the resolver it reports to.
  auto resolver = std::make_shared<CachingResolver*>(nullptr);
  auto transport = std::make_unique<AresTransport>(
      loop, options.query_timeout,
      [resolver](std::uint16_t id, Delivery delivery, const std::string& packet) {
        (*resolver)->reply(id, delivery, packet);
      });
  if (auto opened = transport->open(servers); !opened) return failure(opened.error());
  auto made = std::make_unique<CachingResolver>(loop, std::move(options), clock, random, metrics,
                                                std::move(transport));
  *resolver = made.get();
  return Result<std::unique_ptr<Resolver>>(std::move(made));
}

}  // namespace postrider::dns
