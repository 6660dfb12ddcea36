#include "relay/admin/server.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <httplib.h>
#include <mutex>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "relay/admin/exchanges.h"
#include "relay/admin/routes.h"
#include "relay/base/log.h"

namespace postrider::admin {

namespace {

constexpr int kBacklog = 511;
// Octets of a request's body; ours have none.
constexpr std::size_t kPayloadMax = 64U << 10;
constexpr Seconds kRebindInterval{1};

// A request that has been read, as the library reads it, and the answer as it writes it.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(std::string_view request) : request_view_(request) {}

  [[nodiscard]] bool is_readable() const override { return true; }

  [[nodiscard]] bool is_writable() const override { return true; }

  ssize_t read(char* to, std::size_t size) override {
    const std::size_t count = request_view_.copy(to, size);
    request_view_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* from, std::size_t size) override {
    answer_.append(from, size);
    return static_cast<ssize_t>(size);
  }

  void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}

  void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}

  // The library asks only to refuse descriptors that select(2) cannot hold.
  [[nodiscard]] socket_t socket() const override { return INVALID_SOCKET; }

  std::string take_answer() { return std::move(answer_); }

 private:
  std::string_view request_view_;
  std::string answer_;
};

// Their answers wait for nothing; all others may wait for the disk, the commit thread or DNS.
bool is_quick(std::string_view request) {
  std::string_view path = request.substr(std::min(request.find(' '), request.size()));
  path.remove_prefix(path.empty() ? 0 : 1);
  path = path.substr(0, path.find_first_of(" ?\r\n"));
  return path == "/healthz" || path == "/metrics";
}

std::string busy_answer() {
  const std::string body = "{\"error\":\"too many requests wait for the queue; try again soon\"}\n";
  return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
         "Cache-Control: no-store\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// The library's server, one request a connection, without its ways with sockets: it accepts, and
// answers in memory; Exchanges does what lies between.
class HttpServer final : public httplib::Server {
 public:
  // `refused` counts what is answered busy_answer().
  explicit HttpServer(metrics::Counter refused)
      : exchanges_(
            {}, [this](const std::string& request) { return answer(request); }, is_quick,
            [refused]() mutable {
              refused.add();
              return busy_answer();
            }) {
    new_task_queue = [] { return new AtOnce; };
    // Not the library's own choice, which lets a second process share the port unseen.
    set_socket_options([](socket_t socket) {
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    set_payload_max_length(kPayloadMax);
  }

  // Requests not read yet end now; those being answered are answered.
  void interrupt() { exchanges_.interrupt(); }

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
  // What the library would queue is quick: it hands the socket on.
  class AtOnce final : public httplib::TaskQueue {
   public:
    void enqueue(std::function<void()> task) override { task(); }

    void shutdown() override {}
  };

  bool process_and_close_socket(socket_t socket) override {
    exchanges_.adopt(socket);
    return true;
  }

  std::string answer(const std::string& request) {
    MemoryStream stream(request);
    bool closed = false;
    process_request(stream, true, closed, ask_for_all_of_it);
    return stream.take_answer();
  }

  // Neither parts nor compression: they cost more here than they save.
  static void ask_for_all_of_it(httplib::Request& request) {
    request.ranges.clear();
    request.headers.erase("Accept-Encoding");
  }

  Exchanges exchanges_;
};

Request to_request(const httplib::Request& from) {
  Request request;
  request.method = from.method;
  request.path = from.path;
  request.parameters.assign(from.params.begin(), from.params.end());
  request.authorization = from.get_header_value("Authorization");
  request.host = from.get_header_value("Host");
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
  State(const Options& options, queue::Queue& queue, metrics::Registry& metrics, const Clock& clock,
        Explain explain)
      : routes(options, queue, metrics, clock, std::move(explain)),
        http(metrics.counter(metrics::Metric::kAdminRefused)) {}

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
                                              metrics::Registry& metrics, const Clock& clock,
                                              Explain explain) {
  if (options.token.empty() && !options.address.ip.is_loopback()) {
    return failure("admin address " + options.address.to_string() +
                   " is no loopback address, so a token is needed");
  }
  auto state = std::make_unique<State>(options, queue, metrics, clock, std::move(explain));
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
