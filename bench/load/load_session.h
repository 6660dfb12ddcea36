// LoadSession: one SMTP client of the load: connects, and sends one message at a time as it is
// told. Shares no code with the relay's client. Thread: loop-affine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/content_pool.h"
#include "bench/load/id_file.h"
#include "bench/load/load_options.h"
#include "bench/load/load_tally.h"
#include "bench/tls_link.h"
#include "relay/event/tcp.h"

namespace postrider::event {
class Loop;
}

namespace postrider::bench {

class LoadSession;

// Who gives the sessions their work. Called from the loop; each call may use the session at once.
class LoadSource {
 public:
  virtual ~LoadSource() = default;
  // The session can take a message, or quit().
  virtual void on_ready(LoadSession& session) = 0;
  // The connection is gone: after quit() or a failure. connect() may be called.
  virtual void on_closed(LoadSession& session, bool failed) = 0;
};

// What all sessions use; outlives them.
struct LoadParts {
  const LoadOptions& options;
  const ContentPool& pool;
  const TlsContext* tls;  // null: no TLS
  IdFile* ids;            // null: ids are not recorded
};

class LoadSession final : public event::StreamEvents {
 public:
  // A longer reply line is an error of the peer.
  static constexpr std::size_t kMaxLine = std::size_t{64} * 1024;

  LoadSession(event::Loop& loop, const LoadParts& parts, LoadTally& tally, LoadSource& source,
              std::uint64_t seed)
      : loop_(loop), parts_(parts), tally_(tally), source_(source), dice_(seed) {}

  // An immediate failure is told by on_closed(), like any other.
  void connect();
  // Needs readiness. `number` makes the sequence; latency is counted from `due`.
  void send(std::uint64_t number, TimePoint due);
  // Needs readiness: QUIT and the end of the connection.
  void quit();
  // Ends the connection now; a message under way fails with `reason`.
  void abandon(std::string_view reason);

  // Messages accepted on the current, or else the latest, connection.
  [[nodiscard]] std::uint64_t accepted_here() const { return accepted_here_; }

  void on_connected() override;
  void on_data(std::string_view bytes) override;
  void on_end() override;
  void on_failure(const Error& error) override;

 private:
  enum class State {
    kClosed,
    kConnecting,
    kHandshake,
    kGreeting,
    kEhlo,
    kStartTls,
    kAuth,
    kReady,
    kEnvelope,
    kContent,
    kReset,
    kQuit,
  };

  // The message under way.
  struct Message {
    std::string sequence;
    std::string recipient_header;
    std::string commands;  // MAIL to DATA
    std::size_t sent = 0;  // of `commands`
    std::uint64_t answered = 0;
    std::uint64_t recipients_accepted = 0;
    std::size_t content_size = 0;
    std::string refusal;  // the first
    TimePoint due{};
    TimePoint content_sent{};
  };

  void feed(std::string_view bytes);
  void on_tls_data(std::string_view bytes);
  void on_line(std::string_view line);
  void on_reply(int code, std::string_view line);
  void on_ehlo_reply(int code);
  void on_envelope_reply(int code);
  void on_final_reply(int code, std::string_view line);
  void start_tls();
  void say_hello();
  void authenticate();
  void become_ready();
  void compose();
  void send_next_command();
  void send_content();
  void end_envelope(bool go_ahead);
  void next_message();
  void fail_message(const std::string& what);
  void refused(std::string_view phase, int code);
  void lost(const std::string& what);
  void close(bool failed);
  void write(std::string bytes);
  void write(std::vector<Chunk> chunks);

  [[nodiscard]] bool in_message() const {
    return state_ == State::kEnvelope || state_ == State::kContent;
  }

  event::Loop& loop_;
  const LoadParts& parts_;
  LoadTally& tally_;
  LoadSource& source_;
  Dice dice_;
  State state_ = State::kClosed;
  std::uint64_t connection_ = 0;  // changes with each, so that loops notice the end of theirs
  std::uint64_t sent_here_ = 0;
  std::uint64_t accepted_here_ = 0;
  bool authenticated_ = false;
  bool pipelining_ = false;
  Message message_;
  std::string line_;  // the beginning of a reply line
  std::string plain_;
  std::unique_ptr<TlsLink> link_;
  std::optional<event::Stream> stream_;
};

}  // namespace postrider::bench
