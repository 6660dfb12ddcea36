#include <algorithm>
#include <array>
#include <climits>
#include <netinet/in.h>
#include <span>
#include <sys/socket.h>
#include <sys/un.h>
#include <utility>

#include "relay/base/check.h"
#include "relay/event/loop.h"
#include "relay/event/tcp.h"
#include "relay/event/uv_handle.h"

namespace postrider::event {

namespace {

// Reads after a failed write, so that the peer's last words are heard; each at most a read buffer.
constexpr int kMaxLastReads = 16;

uv_buf_t as_buffer(std::string_view bytes) {
  uv_buf_t buffer{};
  buffer.base = const_cast<char*>(bytes.data());  // libuv reads from it only
  buffer.len = bytes.size();
  return buffer;
}

std::size_t total_size(const std::vector<Chunk>& chunks) {
  std::size_t total = 0;
  for (const Chunk& chunk : chunks) total += chunk.size();
  return total;
}

// Takes the first `count` bytes away.
void drop_front(std::vector<Chunk>& chunks, std::size_t count) {
  auto first = chunks.begin();
  while (first != chunks.end() && first->size() <= count) {
    count -= first->size();
    ++first;
  }
  if (count > 0) *first = first->slice(count);
  chunks.erase(chunks.begin(), first);
}

}  // namespace

// What is written goes first to uv_try_write; what the kernel does not take waits: the part handed
// to libuv in `sending`, what was written after it in `pending`. Freed when libuv has closed it and
// no posted task points to it any more.
struct Stream::Handle {
  class Pin;

  explicit Handle(Loop& owner, StreamEvents& user) : loop(owner), events(&user) {}

  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() = default;

  // Makes `uv` a libuv handle, from then on to be closed. 0 or a libuv error.
  int open(int family);
  int bind_to(const IpAddress& source);
  void close();

  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&uv); }

  [[nodiscard]] std::size_t unsent() const {
    return pending_bytes +
           uv_stream_get_write_queue_size(reinterpret_cast<const uv_stream_t*>(&uv));
  }

  [[nodiscard]] bool takes_writes() const { return !failed && !finishing; }

  // Whether bytes may go to the kernel now without overtaking others.
  [[nodiscard]] bool may_send() const { return connected && !busy && !failed; }

  void start_reading();
  void flush();
  std::size_t try_send();
  void send_rest();
  void append(std::vector<Chunk> chunks);
  void write_now(std::string bytes);
  void shut_down_if_sent();
  void tell_drained();

  void fail_now(const Error& error);
  void fail_later(Error error);
  void report(const Error& error);
  void hear_last_words();

  static void allocate(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) noexcept;
  static void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept;
  static void on_connect(uv_connect_t* request, int status) noexcept;
  static void on_write(uv_write_t* request, int status) noexcept;
  static void on_shutdown(uv_shutdown_t* request, int status) noexcept;

  static Handle& of(const uv_stream_t* stream) {
    return block_of<Handle>(reinterpret_cast<const uv_handle_t*>(stream));
  }

  [[nodiscard]] Error broken(std::string_view verb, int status) const {
    return uv_error(std::string(verb) + " " + (path.empty() ? peer.to_string() : path), status);
  }

  // They differ in how they are opened and connected, and in nothing else that is used here.
  union {
    uv_tcp_t uv{};
    uv_pipe_t pipe;
  };

  uv_connect_t connect_request{};
  uv_write_t write_request{};
  uv_shutdown_t shutdown_request{};
  Loop& loop;
  StreamEvents* events;  // null: the Stream is gone
  Endpoint peer;
  Endpoint local;
  std::string path;            // of the peer's socket; "": TCP
  std::vector<Chunk> sending;  // pinned for write_request
  std::vector<Chunk> pending;  // none of them empty
  std::size_t pending_bytes = 0;
  unsigned pins = 0;
  bool connected = false;
  bool busy = false;  // write_request is under way
  bool paused = false;
  bool ended = false;
  bool failed = false;
  bool finishing = false;
  bool shut_down = false;
  bool owes_drained = false;
  bool closed = false;
};

// Keeps a handle's memory for a posted task, also for one that is dropped without being run.
class Stream::Handle::Pin {
 public:
  explicit Pin(Handle& handle) : handle_(&handle) { ++handle.pins; }

  Pin(Pin&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

  Pin& operator=(Pin&&) = delete;
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

  ~Pin() {
    if (handle_ == nullptr) return;
    if (--handle_->pins == 0 && handle_->closed) delete handle_;
  }

  Handle* operator->() const { return handle_; }

 private:
  Handle* handle_;
};

int Stream::Handle::open(int family) {
  const int status = uv_tcp_init_ex(loop.raw(), &uv, static_cast<unsigned>(family));
  if (status == 0) uv.data = this;
  return status;
}

int Stream::Handle::bind_to(const IpAddress& source) {
  uv_os_fd_t fd = -1;
  if (const int status = uv_fileno(as_handle(uv), &fd); status < 0) return status;
  // The port is chosen by connect(2), per destination; chosen here, one source address would have
  // no more than some 28,000 connections in all. Without it binding works just the same.
  const int on = 1;
  ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_storage storage{};
  Endpoint{source, 0}.to_sockaddr(storage);
  return uv_tcp_bind(&uv, reinterpret_cast<const sockaddr*>(&storage), 0);
}

void Stream::Handle::close() {
  PR_CHECK(loop.accessible(), "stream destroyed on a foreign thread");
  events = nullptr;
  pending.clear();
  uv_close(as_handle(uv), [](uv_handle_t* handle) noexcept {
    auto& self = block_of<Handle>(handle);
    self.closed = true;
    if (self.pins == 0) delete &self;
  });
}

void Stream::Handle::start_reading() {
  if (!connected || paused || ended || failed) return;
  const int status = uv_read_start(stream(), &Handle::allocate, &Handle::on_read);
  if (status < 0 && status != UV_EALREADY) fail_later(broken("reading from", status));
}

void Stream::Handle::allocate(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) noexcept {
  *buffer = uv_buf_init(block_of<Handle>(handle).loop.read_buffer(), Loop::kReadBufferSize);
}

void Stream::Handle::on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) noexcept {
  Handle& self = of(stream);
  if (self.events == nullptr || self.failed || count == 0) return;
  if (count > 0) {
    self.events->on_data({buffer->base, static_cast<std::size_t>(count)});
  } else if (count == UV_EOF) {
    self.ended = true;
    self.events->on_end();
  } else {
    self.fail_now(self.broken("reading from", static_cast<int>(count)));
  }
}

void Stream::Handle::on_connect(uv_connect_t* request, int status) noexcept {
  Handle& self = of(request->handle);
  if (self.events == nullptr || self.failed) return;
  if (status < 0) {
    self.fail_now(self.broken("connecting to", status));
    return;
  }
  self.connected = true;
  uv_os_fd_t fd = -1;
  if (uv_fileno(as_handle(self.uv), &fd) == 0) self.local = local_endpoint(fd).value_or(self.local);
  self.start_reading();
  self.flush();
  self.events->on_connected();
  self.tell_drained();
}

// Sends what is pending, as far as the kernel takes it; libuv sends the rest.
void Stream::Handle::flush() {
  if (!may_send()) return;
  while (!pending.empty()) {
    const std::size_t before = pending_bytes;
    const std::size_t offered = try_send();
    if (failed) return;
    if (before - pending_bytes < offered) {
      send_rest();
      return;
    }
  }
  shut_down_if_sent();
}

// One gathered write of the front of `pending`; returns the number of bytes offered.
std::size_t Stream::Handle::try_send() {
  std::array<uv_buf_t, IOV_MAX> buffers;  // not initialised: 16 KiB on a hot path
  const std::size_t count = std::min(pending.size(), buffers.size());
  std::size_t offered = 0;
  for (std::size_t i = 0; i < count; ++i) {
    buffers[i] = as_buffer(pending[i].view());
    offered += pending[i].size();
  }
  const int sent = uv_try_write(stream(), buffers.data(), static_cast<unsigned>(count));
  if (sent >= 0) {
    pending_bytes -= static_cast<std::size_t>(sent);
    drop_front(pending, static_cast<std::size_t>(sent));
  } else if (sent != UV_EAGAIN) {
    fail_later(broken("writing to", sent));
  }
  return offered;
}

// Hands all that is pending to libuv, to be sent when the socket becomes writable.
void Stream::Handle::send_rest() {
  sending = std::exchange(pending, {});
  pending_bytes = 0;
  std::vector<uv_buf_t> buffers;
  buffers.reserve(sending.size());
  for (const Chunk& chunk : sending) buffers.push_back(as_buffer(chunk.view()));
  const int status = uv_write(&write_request, stream(), buffers.data(),
                              static_cast<unsigned>(buffers.size()), &Handle::on_write);
  if (status < 0) {
    fail_later(broken("writing to", status));
    return;
  }
  busy = true;
}

void Stream::Handle::on_write(uv_write_t* request, int status) noexcept {
  Handle& self = of(request->handle);
  self.sending.clear();
  self.busy = false;
  if (self.events == nullptr || self.failed) return;
  if (status < 0) {
    self.fail_now(self.broken("writing to", status));
    return;
  }
  self.flush();
  self.tell_drained();
}

void Stream::Handle::append(std::vector<Chunk> chunks) {
  std::erase_if(chunks, [](const Chunk& chunk) { return chunk.empty(); });
  pending_bytes += total_size(chunks);
  if (pending.empty()) {
    pending = std::move(chunks);
  } else {
    std::move(chunks.begin(), chunks.end(), std::back_inserter(pending));
  }
  flush();
  if (!failed && unsent() > 0) owes_drained = true;
}

// The common case, a reply or a command: nothing waits and the kernel takes all, so nothing is
// allocated. Needs may_send() and nothing pending.
void Stream::Handle::write_now(std::string bytes) {
  const uv_buf_t buffer = as_buffer(bytes);
  const int sent = uv_try_write(stream(), &buffer, 1);
  if (sent < 0 && sent != UV_EAGAIN) {
    fail_later(broken("writing to", sent));
    return;
  }
  const auto taken = static_cast<std::size_t>(std::max(sent, 0));
  if (taken == bytes.size()) return;
  pending.push_back(Chunk(std::move(bytes)).slice(taken));
  send_rest();
  if (!failed && unsent() > 0) owes_drained = true;
}

void Stream::Handle::shut_down_if_sent() {
  if (!finishing || shut_down || !connected || failed || !pending.empty()) return;
  shut_down = true;
  // libuv sends the FIN behind what it still has in its own queue.
  const int status = uv_shutdown(&shutdown_request, stream(), &Handle::on_shutdown);
  if (status < 0) fail_later(broken("finishing with", status));
}

void Stream::Handle::on_shutdown(uv_shutdown_t* request, int status) noexcept {
  Handle& self = of(request->handle);
  if (self.events == nullptr || self.failed || status == 0) return;
  self.fail_now(self.broken("finishing with", status));
}

void Stream::Handle::tell_drained() {
  if (events == nullptr || failed || !owes_drained || unsent() > 0) return;
  owes_drained = false;
  events->on_drained();
}

void Stream::Handle::fail_now(const Error& error) {
  failed = true;
  pending.clear();
  pending_bytes = 0;
  uv_read_stop(stream());
  report(error);
}

void Stream::Handle::fail_later(Error error) {
  failed = true;
  pending.clear();
  pending_bytes = 0;
  uv_read_stop(stream());
  loop.post([pin = Pin(*this), error = std::move(error)] { pin->report(error); });
}

void Stream::Handle::report(const Error& error) {
  hear_last_words();
  if (events != nullptr) events->on_failure(error);
}

// A server that refuses a message may answer and close while we still write. Our write fails, and
// the answer waits in the kernel: it tells more than the failure.
void Stream::Handle::hear_last_words() {
  uv_os_fd_t fd = -1;
  if (!connected) return;
  for (int reads = 0; reads < kMaxLastReads; ++reads) {
    if (events == nullptr || paused || ended || uv_fileno(as_handle(uv), &fd) < 0) return;
    const ssize_t count = ::recv(fd, loop.read_buffer(), Loop::kReadBufferSize, MSG_DONTWAIT);
    if (count <= 0) return;
    events->on_data({loop.read_buffer(), static_cast<std::size_t>(count)});
  }
}

Result<Stream> Stream::adopt(Loop& loop, Descriptor connected, StreamEvents& events) {
  auto owned = std::make_unique<Handle>(loop, events);
  if (const int status = owned->open(AF_UNSPEC); status < 0) {
    return failure(uv_error("adopting a connection", status));
  }
  Stream stream(owned.release());
  Handle& handle = *stream.handle_;
  if (const int status = uv_tcp_open(&handle.uv, connected.get()); status < 0) {
    return failure(uv_error("adopting a connection", status));
  }
  const int fd = connected.release();
  sockaddr_storage storage{};
  int length = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (const int status = uv_tcp_getpeername(&handle.uv, address, &length); status < 0) {
    return failure(uv_error("asking a connection for its peer", status));
  }
  handle.peer = Endpoint::from_sockaddr(address).value_or(Endpoint{});
  handle.local = local_endpoint(fd).value_or(Endpoint{});
  uv_tcp_nodelay(&handle.uv, 1);
  handle.connected = true;
  handle.start_reading();
  return stream;
}

Result<Stream> Stream::connect(Loop& loop, const Endpoint& to, const std::optional<IpAddress>& from,
                               StreamEvents& events) {
  const std::string what = "connecting to " + to.to_string();
  if (from && from->is_v4() != to.ip.is_v4()) {
    return failure(what + ": the source address " + from->to_string() + " is of another family");
  }
  auto owned = std::make_unique<Handle>(loop, events);
  if (const int status = owned->open(to.ip.is_v4() ? AF_INET : AF_INET6); status < 0) {
    return failure(uv_error(what, status));
  }
  Stream stream(owned.release());
  Handle& handle = *stream.handle_;
  handle.peer = to;
  if (from) {
    if (const int status = handle.bind_to(*from); status < 0) {
      return failure(uv_error(what + " from " + from->to_string(), status));
    }
  }
  uv_tcp_nodelay(&handle.uv, 1);
  sockaddr_storage storage{};
  to.to_sockaddr(storage);
  const int status =
      uv_tcp_connect(&handle.connect_request, &handle.uv,
                     reinterpret_cast<const sockaddr*>(&storage), &Handle::on_connect);
  if (status < 0) return failure(uv_error(what, status));
  return stream;
}

Result<Stream> Stream::connect_local(Loop& loop, const std::string& path, StreamEvents& events) {
  const std::string what = "connecting to " + path;
  // libuv would cut it.
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return failure(what + ": longer than the path of a socket may be");
  }
  auto owned = std::make_unique<Handle>(loop, events);
  if (const int status = uv_pipe_init(loop.raw(), &owned->pipe, 0); status < 0) {
    return failure(uv_error(what, status));
  }
  owned->pipe.data = owned.get();
  Stream stream(owned.release());
  Handle& handle = *stream.handle_;
  handle.path = path;
  uv_pipe_connect(&handle.connect_request, &handle.pipe, path.c_str(), &Handle::on_connect);
  return stream;
}

Stream::Stream(Stream&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this == &other) return *this;
  Handle* const old = std::exchange(handle_, std::exchange(other.handle_, nullptr));
  if (old != nullptr) old->close();
  return *this;
}

Stream::~Stream() {
  if (handle_ != nullptr) handle_->close();
}

void Stream::write(std::vector<Chunk> chunks) {
  PR_CHECK(handle_->loop.accessible(), "stream written on a foreign thread");
  if (handle_->takes_writes()) handle_->append(std::move(chunks));
}

void Stream::write(std::string bytes) {
  PR_CHECK(handle_->loop.accessible(), "stream written on a foreign thread");
  if (bytes.empty() || !handle_->takes_writes()) return;
  if (handle_->may_send() && handle_->pending.empty()) {
    handle_->write_now(std::move(bytes));
    return;
  }
  std::vector<Chunk> one;
  one.emplace_back(std::move(bytes));
  handle_->append(std::move(one));
}

std::size_t Stream::unsent() const {
  return handle_->unsent();
}

void Stream::pause() {
  handle_->paused = true;
  uv_read_stop(handle_->stream());
}

void Stream::resume() {
  handle_->paused = false;
  handle_->start_reading();
}

void Stream::finish() {
  handle_->finishing = true;
  if (handle_->may_send()) handle_->flush();
  handle_->shut_down_if_sent();
}

const Endpoint& Stream::peer() const {
  return handle_->peer;
}

const Endpoint& Stream::local() const {
  return handle_->local;
}

}  // namespace postrider::event
