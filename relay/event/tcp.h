// TCP: a listener that hands out descriptors, and a stream with a bounded view of its write queue,
// which may also lead to a socket of this machine.
// No rule of mail or protocol here. Thread: loop-affine.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/bytes.h"
#include "relay/base/clock.h"
#include "relay/base/ip.h"
#include "relay/base/result.h"
#include "relay/base/task.h"

namespace postrider::event {

class Loop;

// An owned, accepted or listening descriptor on its way to the loop that will use it. Closes what
// it still holds. Thread: one owner.
class Descriptor {
 public:
  Descriptor() = default;

  explicit Descriptor(int fd) : fd_(fd) {}

  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}

  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();

  [[nodiscard]] int get() const { return fd_; }

  [[nodiscard]] bool valid() const { return fd_ >= 0; }

  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_ = -1;
};

// A bound, listening, non-blocking socket (SO_REUSEADDR; IPV6_V6ONLY for IPv6). Port 0 lets the
// system choose; local_endpoint() tells. Errors name the endpoint and the reason.
Result<Descriptor> listen_on(const Endpoint& endpoint, int backlog = 1024);
Result<Endpoint> local_endpoint(int fd);

// Accepts on one listening socket. Of the descriptors allowed when it was created (RLIMIT_NOFILE)
// it leaves an eighth, at most 64, to the rest of the process: a connection beyond is closed at
// once, `on_exhausted` is told, and accepting pauses for 100 ms. Exhaustion (EMFILE, ENFILE)
// neither spins nor kills it: a spare descriptor is kept to do the same with.
class Listener {
 public:
  using OnAccept = UniqueFunction<void(Descriptor, Endpoint peer)>;
  static Result<Listener> create(Loop& loop, Descriptor listening, OnAccept on_accept,
                                 UniqueFunction<void()> on_exhausted);
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  [[nodiscard]] const Endpoint& endpoint() const;

 private:
  struct State;
  explicit Listener(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// What a Stream tells its user. Called from the loop, never from inside a call on the Stream. Each
// call may destroy the Stream.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;

  // connect() succeeded. Not called for adopted descriptors.
  virtual void on_connected() {}

  // `bytes` are valid for the call.
  virtual void on_data(std::string_view bytes) = 0;
  // The peer will send nothing more. Writing may still work.
  virtual void on_end() = 0;
  // The connection failed (connect, read or write): nothing more happens on this stream. What the
  // peer had sent before a failed write is still told first, by on_data.
  virtual void on_failure(const Error& error) = 0;

  // Everything written so far has reached the kernel; called once after unsent() was above zero.
  virtual void on_drained() {}
};

class Stream {
 public:
  // Starts reading at once. `events` must outlive the stream.
  static Result<Stream> adopt(Loop& loop, Descriptor connected, StreamEvents& events);
  // Connects to `to`, from `from` where given (port 0: any, chosen at connect time). The result is
  // reported through `events`; reading starts then. An immediate failure is returned instead.
  static Result<Stream> connect(Loop& loop, const Endpoint& to,
                                const std::optional<IpAddress>& from, StreamEvents& events);
  // The same to a socket of this machine, by its path. peer() and local() say nothing then.
  static Result<Stream> connect_local(Loop& loop, const std::string& path, StreamEvents& events);
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  // Closes now; bytes not yet in the kernel are lost (use finish() before, and wait).
  ~Stream();

  // Takes the chunks over, in order, in one gathered write where the kernel takes them. Empty
  // chunks are skipped. The caller bounds what it writes by looking at unsent().
  void write(std::vector<Chunk> chunks);
  void write(std::string bytes);
  // Bytes accepted by write() that the kernel has not taken yet.
  [[nodiscard]] std::size_t unsent() const;
  // No more on_data until resume(). What the kernel buffers stays bounded by its window.
  void pause();
  void resume();
  // Sends what is unsent, then FIN.
  void finish();

  [[nodiscard]] const Endpoint& peer() const;
  [[nodiscard]] const Endpoint& local() const;

 private:
  struct Handle;

  explicit Stream(Handle* handle) : handle_(handle) {}

  Handle* handle_;
};

}  // namespace postrider::event
