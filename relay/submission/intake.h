// Intake: makes a message of what one session received, and asks the queue to keep it.
//
// Holds the text of the message in progress, in chunks, counted against the limit that all sessions
// share. Thread: loop-affine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "queue/queue.h"
#include "relay/base/ip.h"
#include "relay/message/body.h"
#include "relay/message/status.h"
#include "relay/smtp/server_session.h"

namespace postrider::submission {

struct Shared;

// What became of a commit.
struct Receipt {
  queue::Refusal refusal = queue::Refusal::kNone;
  queue::MessageId id;
  std::uint64_t size = 0;  // octets of the text, trace field included
  std::size_t recipients = 0;

  // What the client is told.
  [[nodiscard]] message::Status reply() const;
};

class Intake {
 public:
  explicit Intake(Shared& shared) : shared_(shared) {}

  ~Intake();
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // May this recipient be accepted (the bare postmaster needs an address to go to)?
  [[nodiscard]] message::Status recipient_verdict(const message::Recipient& recipient) const;

  void begin();
  // Copies the bytes: the one copy between the socket (or TLS) and the disk.
  void append(std::string_view bytes);
  // Forgets the text in progress.
  void abort();

  using Done = UniqueFunction<void(const Receipt&)>;
  // Puts the trace field in front and submits. A status: refused here, `done` will not be called.
  // Otherwise `done` is called once, on the commit thread or within this call, and perhaps after
  // the intake has gone: it only posts.
  std::optional<message::Status> commit(const smtp::ServerSession& session, const IpAddress& client,
                                        std::string_view host_name, Done done);

 private:
  void seal_block();
  void release();

  // Text is gathered into blocks of this size, so that a large message is a list, not one growing
  // string.
  static constexpr std::size_t kBlockSize = 64 * 1024;

  Shared& shared_;
  message::Body body_;
  std::string block_;
  std::size_t held_ = 0;  // counted in shared_.bodies_in_flight
  bool over_limit_ = false;
};

}  // namespace postrider::submission
