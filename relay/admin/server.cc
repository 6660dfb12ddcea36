#include "relay/admin/server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <httplib.h>
#include <mutex>
#include <poll.h>
#include <set>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "relay/admin/routes.h"
#include "relay/base/log.h"

namespace postrider::admin {

namespace {

constexpr std::size_t kThreads = 2;
// Connections accepted and not yet closed; beyond it a new one is closed at once.
constexpr std::size_t kConnectionsMax = 64;
constexpr int kBacklog = 64;
// Octets of a request; ours have no body.
constexpr std::size_t kRequestBytesMax = 64U << 10;
// Absolute, for the whole request and the whole answer.
constexpr Seconds kRequestDeadline{5};
constexpr Seconds kAnswerDeadline{10};
// For a client to close after its answer.
constexpr Milliseconds kCloseDeadline{500};
constexpr Seconds kRebindInterval{1};

bool wait_for(int socket, short events, TimePoint deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd poll{socket, events, 0};
    const int ready = ::poll(&poll, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// One connection as the library reads and writes it, with deadlines that dripping octets cannot
// push back, and a limit on what a request may hold.
class DeadlineStream final : public httplib::Stream {
 public:
  explicit DeadlineStream(int socket)
      : socket_(socket), read_deadline_(std::chrono::steady_clock::now() + kRequestDeadline) {}

  [[nodiscard]] bool is_readable() const override {
    return begin_ < end_ || wait_for(socket_, POLLIN, read_deadline_);
  }

  [[nodiscard]] bool is_writable() const override {
    return wait_for(socket_, POLLOUT, std::chrono::steady_clock::now() + kAnswerDeadline);
  }

  ssize_t read(char* to, std::size_t size) override {
    // The library asks for one octet at a time.
    if (begin_ == end_ && !fill()) return ended_ ? 0 : -1;
    const std::size_t count = std::min(size, end_ - begin_);
    std::copy_n(buffer_.data() + begin_, count, to);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* from, std::size_t size) override {
    if (write_deadline_ == TimePoint{}) {
      write_deadline_ = std::chrono::steady_clock::now() + kAnswerDeadline;
    }
    std::size_t sent = 0;
    while (sent < size) {
      if (!wait_for(socket_, POLLOUT, write_deadline_)) return -1;
      const ssize_t count = ::send(socket_, from + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count >= 0) {
        sent += static_cast<std::size_t>(count);
      } else if (errno != EINTR && errno != EAGAIN) {
        return -1;
      }
    }
    return static_cast<ssize_t>(size);
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    fill_name(::getpeername, ip, port);
  }

  void get_local_ip_and_port(std::string& ip, int& port) const override {
    fill_name(::getsockname, ip, port);
  }

  // The library asks only to refuse descriptors that select(2) cannot hold, which a relay with many
  // connections soon reaches; poll(2) holds any.
  [[nodiscard]] socket_t socket() const override { return INVALID_SOCKET; }

  // Tells the client that the answer is over and lets it close first: a close with octets unread
  // would destroy the answer on its way.
  void linger() {
    ::shutdown(socket_, SHUT_WR);
    const TimePoint deadline = std::chrono::steady_clock::now() + kCloseDeadline;
    while (total_ < kRequestBytesMax && wait_for(socket_, POLLIN, deadline)) {
      const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (count <= 0) return;
      total_ += static_cast<std::size_t>(count);
    }
  }

 private:
  bool fill() {
    if (total_ >= kRequestBytesMax || !wait_for(socket_, POLLIN, read_deadline_)) return false;
    const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (count <= 0) {
      ended_ = count == 0;
      return false;
    }
    begin_ = 0;
    end_ = static_cast<std::size_t>(count);
    total_ += end_;
    return true;
  }

  template <class Call>
  void fill_name(Call call, std::string& ip, int& port) const {
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    if (call(socket_, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return;
    const auto endpoint = Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&storage));
    if (!endpoint) return;
    ip = endpoint->ip.to_string();
    port = endpoint->port;
  }

  int socket_;
  TimePoint read_deadline_;
  TimePoint write_deadline_{};
  std::array<char, 4096> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t total_ = 0;
  bool ended_ = false;
};

// The library's server, one request a connection, that knows its sockets.
class HttpServer final : public httplib::Server {
 public:
  HttpServer() {
    new_task_queue = [this] { return new Pool(*this); };
    // Not the library's own choice, which lets a second process share the port unseen.
    set_socket_options([](socket_t socket) {
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    set_payload_max_length(kRequestBytesMax);
  }

  // Requests not read yet end now; those being answered are answered.
  void interrupt() {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
    for (const int socket : open_) ::shutdown(socket, SHUT_RD);
  }

  [[nodiscard]] int listening_socket() const { return svr_sock_; }

  // Serves until stop(), or until accept(2) fails.
  void serve() {
    // In the second case the library has closed the socket, and still knows its number.
    if (!listen_after_bind()) svr_sock_ = INVALID_SOCKET;
  }

  // What stop() leaves open when serve() was never called. After serve() has returned.
  void close_listener() {
    const int socket = svr_sock_.exchange(INVALID_SOCKET);
    if (socket != INVALID_SOCKET) ::close(socket);
  }

 private:
  class Pool final : public httplib::ThreadPool {
   public:
    explicit Pool(HttpServer& server) : ThreadPool(kThreads), server_(server) {}

    void enqueue(std::function<void()> serve_one) override {
      // `serve_one` owns the socket and knows no other way to close it than to be called.
      if (server_.waiting_.fetch_add(1) >= kConnectionsMax) {
        server_.refuses_ = std::this_thread::get_id();
        serve_one();
        server_.refuses_ = std::thread::id();
      } else {
        ThreadPool::enqueue(std::move(serve_one));
      }
    }

   private:
    HttpServer& server_;
  };

  bool process_and_close_socket(socket_t socket) override {
    const bool refused = refuses_.load() == std::this_thread::get_id();
    if (!refused && enter(socket)) {
      DeadlineStream stream(socket);
      bool closed = false;
      process_request(stream, true, closed, ask_for_all_of_it);
      stream.linger();
      const std::lock_guard lock(mutex_);
      open_.erase(socket);
      // Within the lock: interrupt() must never meet a descriptor that is somebody else's by then.
      ::close(socket);
    } else {
      ::close(socket);
    }
    waiting_.fetch_sub(1);
    return !refused;
  }

  // Neither parts nor compression: they cost more here than they save.
  static void ask_for_all_of_it(httplib::Request& request) {
    request.ranges.clear();
    request.headers.erase("Accept-Encoding");
  }

  bool enter(int socket) {
    const std::lock_guard lock(mutex_);
    if (interrupted_) return false;
    open_.insert(socket);
    return true;
  }

  std::atomic<std::size_t> waiting_ = 0;
  std::atomic<std::thread::id> refuses_;
  std::mutex mutex_;
  std::set<int> open_;        // guarded by mutex_
  bool interrupted_ = false;  // guarded by mutex_
};

Request to_request(const httplib::Request& from) {
  Request request;
  request.method = from.method;
  request.path = from.path;
  request.parameters.assign(from.params.begin(), from.params.end());
  request.authorization = from.get_header_value("Authorization");
  request.from_web_page = from.has_header("Origin");
  return request;
}

void fill(httplib::Response& to, const Response& from) {
  to.status = from.code;
  to.set_content(from.body, std::string(from.content_type));
  if (!from.allow.empty()) to.set_header("Allow", std::string(from.allow));
  if (from.code == 401) to.set_header("WWW-Authenticate", "Bearer");
  to.set_header("Cache-Control", "no-store");
}

}  // namespace

struct Server::State {
  State(const Options& options, queue::Queue& queue, metrics::Registry& metrics, const Clock& clock)
      : routes(options, queue, metrics, clock) {}

  Result<void> bind(const Endpoint& address);
  [[nodiscard]] Endpoint bound_to(const Endpoint& asked) const;
  void serve();
  void run();
  void stop();

  Routes routes;
  HttpServer http;
  Endpoint endpoint;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;  // guarded by mutex
  bool ended = false;     // guarded by mutex
};

Result<void> Server::State::bind(const Endpoint& address) {
  const std::string host = address.ip.to_string();
  http.set_address_family(address.ip.is_v4() ? AF_INET : AF_INET6);
  errno = 0;
  const bool bound =
      address.port == 0 ? http.bind_to_any_port(host) > 0 : http.bind_to_port(host, address.port);
  if (!bound) {
    const std::string what = "cannot listen for admin requests on " + address.to_string();
    return errno == 0 ? failure(what) : failure(Error::from_errno(what, errno));
  }
  // The library's own choice is 5.
  ::listen(http.listening_socket(), kBacklog);
  return {};
}

Endpoint Server::State::bound_to(const Endpoint& asked) const {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getsockname(http.listening_socket(), reinterpret_cast<sockaddr*>(&storage), &length);
  return Endpoint::from_sockaddr(reinterpret_cast<sockaddr*>(&storage)).value_or(asked);
}

void Server::State::serve() {
  // Before the library's own routing: all paths are ours.
  http.set_pre_routing_handler(
      [this](const httplib::Request& request, httplib::Response& response) {
        fill(response, routes.answer(to_request(request)));
        return httplib::Server::HandlerResponse::Handled;
      });
  http.set_exception_handler(
      [](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
        log::error("admin", "a request could not be answered");
        fill(response, {500, "{\"error\":\"internal error\"}\n"});
      });
  thread = std::thread([this] { run(); });
}

// The library gives its listening socket up when accept(2) fails, as it may for want of memory or
// descriptors; then another one is made.
void Server::State::run() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    lock.unlock();
    http.serve();
    lock.lock();
    if (changed.wait_for(lock, kRebindInterval, [this] { return stopping; })) break;
    log::warning("admin", "listening again", {{"address", endpoint.to_string()}});
    if (auto bound = bind(endpoint); !bound) {
      log::error("admin", "cannot listen", {{"reason", bound.error().text()}});
    }
  }
  ended = true;
  changed.notify_all();
}

void Server::State::stop() {
  routes.stop();
  http.interrupt();
  std::unique_lock lock(mutex);
  stopping = true;
  changed.notify_all();
  // The library's stop() does nothing before its loop runs, so it is said until it was heard.
  do {
    http.stop();
  } while (!changed.wait_for(lock, Milliseconds(5), [this] { return ended; }));
  lock.unlock();
  thread.join();
  http.close_listener();
}

Result<std::unique_ptr<Server>> Server::start(const Options& options, queue::Queue& queue,
                                              metrics::Registry& metrics, const Clock& clock) {
  if (options.token.empty() && !options.address.ip.is_loopback()) {
    return failure("admin address " + options.address.to_string() +
                   " is no loopback address, so a token is needed");
  }
  auto state = std::make_unique<State>(options, queue, metrics, clock);
  if (auto bound = state->bind(options.address); !bound) return failure(bound.error());
  state->endpoint = state->bound_to(options.address);
  state->serve();
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() {
  state_->stop();
}

const Endpoint& Server::endpoint() const {
  return state_->endpoint;
}

}  // namespace postrider::admin
