// Intake: makes a message of what one session received, and asks the queue to keep it.
//
// Holds the text of the message in progress, in chunks, counted against the limit that all sessions
// share; of one beyond Options::stream_from only what a BodyWriter has not written yet. Thread:
// loop-affine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "queue/queue.h"
#include "relay/auth/users.h"
#include "relay/base/ip.h"
#include "relay/message/body.h"
#include "relay/message/header_section.h"
#include "relay/message/headers.h"
#include "relay/message/status.h"
#include "relay/smtp/server_session.h"
#include "relay/submission/body_writer.h"
#include "relay/submission/text_memory.h"

namespace postrider::submission {

struct Handover;
struct Shared;

// A refusal: the static label to count it under ("": that of the question), and what the client is
// told.
struct Denied {
  std::string_view reason;
  message::Status status;
};

// For a message whose text or journal lines are beyond that limit of the memory for them; nullopt:
// for none.
std::optional<Denied> memory_denial(TextLimit limit);

// What became of a commit.
struct Receipt {
  queue::Refusal refusal = queue::Refusal::kNone;
  queue::MessageId id;
  std::uint64_t size = 0;  // octets of the text, trace field included
  std::size_t recipients = 0;
  bool future_release = false;       // it waits for a time that the client has set
  bool mt_priority = false;          // it asked for a priority
  bool mt_priority_lowered = false;  // more than it may have
  // Refused before the queue: because of its signature, or for want of memory.
  std::optional<Denied> denied = {};

  [[nodiscard]] bool accepted() const { return refusal == queue::Refusal::kNone && !denied; }

  // What the client is told.
  [[nodiscard]] message::Status reply() const;
};

class Intake {
 public:
  // `post`: for what happens to a text while it is written.
  Intake(Shared& shared, BodyWriter::Post post);
  ~Intake();
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // May this recipient be accepted (the bare postmaster needs an address to go to)?
  [[nodiscard]] message::Status recipient_verdict(const message::Recipient& recipient) const;

  // A login to the account that has these (auth::Users) before they are checked. Once it has
  // others, or is gone, the session sends no more.
  void log_in(std::size_t credentials) { credentials_ = credentials; }

  // The reply to MAIL, with the priority that the message goes with, if that is not the one it asks
  // for; or a denial: the sender is not the session's user's, or the user may not send now.
  [[nodiscard]] std::variant<message::Status, Denied> answer_sender(
      const smtp::ServerSession& session) const;
  // Whether the user may send to one recipient more.
  [[nodiscard]] std::optional<Denied> quota_denial(const smtp::ServerSession& session) const;

  // The session is to keep this recipient: counted like text. A denial: it is not counted, for
  // there is no room.
  std::optional<Denied> hold_recipient(const IpAddress& client,
                                       const message::Recipient& recipient);

  // What is counted for one.
  [[nodiscard]] static std::size_t octets_of(const message::Recipient& recipient);

  // The session has none.
  void forget_recipients() { of_recipients_.release(); }

  // A message of this client's, which is the same for all messages of one Intake.
  void begin(const IpAddress& client);
  // Copies the bytes: the one copy between the socket (or TLS) and the disk. Of a text that cannot
  // be kept the rest is thrown away; commit() says why.
  void append(std::string_view bytes);

  // The text comes faster than it is written: bring no more until that is over. What is appended
  // all the same is kept.
  [[nodiscard]] bool is_full() const { return writer_ && writer_->is_behind(); }

  // A part of the text is being written: commit() has to wait.
  [[nodiscard]] bool is_writing() const { return writer_ && writer_->is_busy(); }

  // When to give the text up, because a part of it is not written in time; max(): never.
  [[nodiscard]] TimePoint deadline() const;
  void give_up();

  // Forgets the text in progress.
  void abort();

  using Done = UniqueFunction<void(const Receipt&)>;
  // Repairs the header section (RFC 6409 section 8) unless the listener is a trusted one, takes out
  // of it what is meant for us, has it signed, puts the trace field in front and submits. A denial:
  // refused here, `done` will not be called. Otherwise `done` is called once, on a thread of the
  // queue or of the signer or within this call, and perhaps after the intake has gone: it only
  // posts. The intake holds nothing of the message any more. Not while is_writing().
  std::optional<Denied> commit(const smtp::ServerSession& session, const IpAddress& client,
                               std::string_view host_name, Done done);

 private:
  [[nodiscard]] std::optional<Denied> sender_denial(const smtp::ServerSession& session,
                                                    const auth::User* user) const;
  std::optional<Denied> hand_on(const smtp::ServerSession& session, const IpAddress& client,
                                std::string_view host_name, Done done);
  TextShare share_of(const IpAddress& client);
  void seal_block();
  void release();
  void lose(Denied denied);
  [[nodiscard]] std::string_view take_header(std::string_view bytes);
  void keep(std::string_view bytes);
  void write_if_large();
  void take_text(Handover& message);
  void part_written(std::size_t octets, queue::Refusal refusal);
  [[nodiscard]] std::optional<Denied> header_denial(const message::HeaderSection& header) const;
  std::optional<Denied> take_labels(message::HeaderSection& header, const auth::User* user,
                                    message::Envelope& envelope) const;
  [[nodiscard]] std::shared_ptr<const auth::Users> users() const;
  // The account of the session; null on a trusted listener, and where it is not the one of the
  // login any more.
  [[nodiscard]] const auth::User* account(const smtp::ServerSession& session,
                                          const auth::Users& all) const;

  // Text is gathered into blocks of this size, so that a large message is a list, not one growing
  // string.
  static constexpr std::size_t kBlockSize = BodyWriter::kBlockSize;
  // A larger header section might not fit into the front of a text that was written before it
  // (queue::OpenBody), with signatures and all: then the text is held whole.
  static constexpr std::size_t kWrittenHeaderMax = queue::OpenBody::kFrontMax / 2;

  Shared& shared_;
  const BodyWriter::Post post_;
  std::size_t credentials_ = 0;  // of the account that was logged in to
  std::uint64_t size_ = 0;       // octets of the text so far
  message::Body body_;
  std::string block_;
  // Has what came before `body_`; null: nothing did.
  std::shared_ptr<BodyWriter> writer_;
  // The header section, until the commit.
  message::HeaderScan scan_;
  std::string header_;
  TextShare of_client_;  // holds nothing; each message's is made from it
  TextShare share_;
  TextShare of_recipients_;
  std::optional<Denied> lost_;  // why nothing is kept of the text
};

}  // namespace postrider::submission
