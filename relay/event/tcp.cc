#include "relay/event/tcp.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "relay/base/log.h"
#include "relay/event/loop.h"
#include "relay/event/poll.h"
#include "relay/event/timer.h"

namespace postrider::event {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    const int old = std::exchange(fd_, other.release());
    if (old >= 0) ::close(old);
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

namespace {

bool switch_on(int fd, int level, int option) {
  const int on = 1;
  return ::setsockopt(fd, level, option, &on, sizeof on) == 0;
}

// Connections accepted in one wake-up, before other handles of the loop get their turn.
constexpr int kAcceptsPerTurn = 64;
constexpr Milliseconds kExhaustedPause{100};
constexpr rlim_t kReserveMax = 64;

Descriptor open_spare() {
  return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

// Descriptors get the lowest free number, so one from here on says that all below are taken. What
// is left is for files, outbound connections and DNS: clients do not bring the rest of the process
// down.
int first_reserved() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<int>::max();
  const rlim_t reserve = std::min(kReserveMax, limit.rlim_cur / 8);
  return static_cast<int>(
      std::min<rlim_t>(limit.rlim_cur - reserve, std::numeric_limits<int>::max()));
}

// What accept4(2) says about a connection that died while it waited, not about the listener.
bool only_this_connection(int code) {
  switch (code) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<Descriptor> listen_on(const Endpoint& endpoint, int backlog) {
  const auto failed = [&] {
    const int code = errno;
    return failure(Error::from_errno("listening on " + endpoint.to_string(), code));
  };
  const int family = endpoint.ip.is_v4() ? AF_INET : AF_INET6;
  Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return failed();
  if (!switch_on(socket.get(), SOL_SOCKET, SO_REUSEADDR)) return failed();
  // Else [::] would take IPv4 too, and a listener on 0.0.0.0 beside it would be refused.
  if (family == AF_INET6 && !switch_on(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY)) return failed();
  sockaddr_storage storage{};
  const socklen_t length = endpoint.to_sockaddr(storage);
  const auto* const address = reinterpret_cast<const sockaddr*>(&storage);
  if (::bind(socket.get(), address, length) != 0) return failed();
  if (::listen(socket.get(), backlog) != 0) return failed();
  return socket;
}

Result<Endpoint> local_endpoint(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(fd, address, &length) != 0) {
    return failure(Error::from_errno("asking a socket for its address", errno));
  }
  const auto endpoint = Endpoint::from_sockaddr(address);
  if (!endpoint) return failure("the socket is not an IP socket");
  return *endpoint;
}

struct Listener::State {
  State(Loop& loop, Descriptor socket, Endpoint local, Descriptor spare_descriptor,
        OnAccept accepted, UniqueFunction<void()> exhausted)
      : listening(std::move(socket)),
        endpoint(local),
        spare(std::move(spare_descriptor)),
        on_accept(std::move(accepted)),
        on_exhausted(std::move(exhausted)),
        retry(loop, [this] { resume(); }) {}

  State(const State&) = delete;
  State& operator=(const State&) = delete;

  ~State() {
    if (destroyed != nullptr) *destroyed = true;
  }

  void accept_waiting();
  void give_up_one();

  void pause() {
    poll->watch(false, false);
    retry.arm(std::chrono::steady_clock::now() + kExhaustedPause);
  }

  void resume() {
    if (!spare.valid()) spare = open_spare();
    poll->watch(true, false);
  }

  Descriptor listening;
  Endpoint endpoint;
  Descriptor spare;
  int reserved = first_reserved();
  OnAccept on_accept;
  UniqueFunction<void()> on_exhausted;
  Timer retry;
  std::optional<Poll> poll;   // declared last: ends before the descriptor it watches
  bool* destroyed = nullptr;  // set while callbacks of the user run
};

void Listener::State::accept_waiting() {
  // Held here: either callback may destroy the Listener.
  OnAccept accepted = std::move(on_accept);
  UniqueFunction<void()> exhausted = std::move(on_exhausted);
  bool gone = false;
  destroyed = &gone;
  for (int count = 0; count < kAcceptsPerTurn && !gone; ++count) {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    auto* const address = reinterpret_cast<sockaddr*>(&storage);
    Descriptor connection(
        ::accept4(listening.get(), address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection.valid() && connection.get() >= reserved) {
      connection = Descriptor();
      pause();
      if (exhausted) exhausted();
      break;
    }
    if (connection.valid()) {
      accepted(std::move(connection), Endpoint::from_sockaddr(address).value_or(Endpoint{}));
      continue;
    }
    const int code = errno;
    if (only_this_connection(code)) continue;
    if (code == EAGAIN) break;
    pause();
    if (code == EMFILE || code == ENFILE) {
      give_up_one();
      if (exhausted) exhausted();
    } else {
      log::error("event", "accepting failed",
                 {{"listener", endpoint.to_string()},
                  {"error", Error::from_errno("accept", code).text()}});
    }
    break;
  }
  if (gone) return;
  destroyed = nullptr;
  on_accept = std::move(accepted);
  on_exhausted = std::move(exhausted);
}

// Others have taken the reserve as well. The oldest waiting connection is told at once that it
// cannot be served, instead of hanging.
void Listener::State::give_up_one() {
  if (!spare.valid()) return;
  spare = Descriptor();
  Descriptor turned_away(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
  turned_away = Descriptor();
  spare = open_spare();
}

Listener::Listener(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<Listener> Listener::create(Loop& loop, Descriptor listening, OnAccept on_accept,
                                  UniqueFunction<void()> on_exhausted) {
  const auto endpoint = local_endpoint(listening.get());
  if (!endpoint) return failure(endpoint.error());
  Descriptor spare = open_spare();
  if (!spare.valid()) {
    return failure(Error::from_errno(
        "opening a spare descriptor for the listener on " + endpoint->to_string(), errno));
  }
  auto state = std::make_unique<State>(loop, std::move(listening), *endpoint, std::move(spare),
                                       std::move(on_accept), std::move(on_exhausted));
  auto poll = Poll::create(loop, state->listening.get(),
                           [raw = state.get()](bool, bool) { raw->accept_waiting(); });
  if (!poll) return failure(poll.error().within("listening on " + endpoint->to_string()));
  state->poll.emplace(*std::move(poll));
  state->poll->watch(true, false);
  return Listener(std::move(state));
}

Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

const Endpoint& Listener::endpoint() const {
  return state_->endpoint;
}

}  // namespace postrider::event
