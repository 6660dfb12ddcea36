// SinkConnection: one connection to a simulated MX host: socket, TLS and dialogue, and the delays
// and faults that concern the socket. Thread: loop-affine.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "bench/sim/sink_session.h"
#include "bench/tls_link.h"
#include "relay/base/task.h"
#include "relay/event/tcp.h"
#include "relay/event/timer.h"

namespace postrider::event {
class Loop;
}

namespace postrider::bench {

class SinkConnection final : public event::StreamEvents {
 public:
  // Between two bytes of a reply that drips.
  static constexpr Milliseconds kDripInterval{200};
  // How long a connection that was closed from here may wait for the peer's end.
  static constexpr Milliseconds kLinger{2000};

  struct Place {
    IpAddress address;
    std::uint64_t number = 0;     // of the connection
    std::uint64_t open_here = 0;  // connections to the address, this one included
  };

  // `on_over` is called once, from the loop or from open(), when nothing more will happen; it must
  // not destroy the connection before the callback in progress has returned.
  SinkConnection(event::Loop& loop, SinkWorld& world, const TlsContext& tls, const Place& place,
                 UniqueFunction<void()> on_over);
  ~SinkConnection() override;
  SinkConnection(const SinkConnection&) = delete;
  SinkConnection& operator=(const SinkConnection&) = delete;

  void open(event::Descriptor descriptor);

  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_failure(const Error& error) override;

 private:
  enum class Mode { kPlain, kTls, kBrokenTls, kDeaf };

  struct Pending {
    SinkOutput output;
    TimePoint due;
  };

  void pump();
  void run_pending();
  void on_timer();
  void send(std::string bytes);
  // False: nothing behind it may be sent.
  bool carry_out(SinkOutput& output);
  void start_tls();
  void on_tls_data(std::string_view bytes);
  void close_soon();
  void reset();
  void over();
  void flood();
  event::Timer& timer();

  event::Loop& loop_;
  SinkWorld& world_;
  const TlsContext& tls_;
  Place place_;
  UniqueFunction<void()> on_over_;
  SinkSession session_;
  Mode mode_ = Mode::kPlain;
  bool over_ = false;
  std::string flood_;  // what an endless reply repeats
  std::deque<Pending> pending_;
  std::string plain_;
  std::unique_ptr<TlsLink> link_;
  std::optional<event::Timer> timer_;  // made when it is first needed
  int socket_ = -1;                    // of stream_
  std::optional<event::Stream> stream_;
};

}  // namespace postrider::bench
