// Queue: the durable heart of the relay, and its contract.
//
// A message is split into *deliveries*: the recipients of one domain, at most a transaction's
// worth. Each recipient ends exactly once: delivered, bounced, expired or removed. A submission is
// one atomic batch, synced before it is answered; every later step is one atomic batch too. A large
// text may be written while it arrives, before its submission. One commit thread writes; while one
// sync runs the next group gathers. FORMAT.md documents every byte on disk.
//
// The queue knows nothing of DNS, sockets or replies. Whoever delivers receives leases through
// Consumer and gives each back once, through finish() or by destroying it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/metrics.h"
#include "queue/band.h"
#include "queue/id.h"
#include "queue/store.h"
#include "relay/base/clock.h"
#include "relay/base/random.h"
#include "relay/base/task.h"
#include "relay/message/body.h"
#include "relay/message/envelope.h"
#include "relay/message/status.h"

namespace postrider::queue {

struct Options {
  // Messages and octets of bodies kept on disk, in total and of one tenant; a submission beyond is
  // refused. Mail without a tenant counts as a tenant of its own. Reports are taken all the same.
  std::uint64_t messages_max = 20'000'000;
  std::uint64_t bytes_max = 500ULL << 30;
  std::uint64_t tenant_messages_max = 20'000'000;
  std::uint64_t tenant_bytes_max = 500ULL << 30;
  // Submissions and parts of open bodies waiting for the commit thread; beyond, kBusy. Octets bound
  // the text they hold.
  std::size_t commit_waiting_max = 10'000;
  std::size_t commit_waiting_bytes_max = 256U << 20;
  // Changes by operators waiting or under way; one beyond fails. (The bodies and pieces that wait
  // for the reader thread are bounded by leases_max, since each comes with a lease.)
  std::size_t changes_waiting_max = 100;
  // A commit group ends at so many submissions and completions, or octets.
  std::size_t group_max = 512;
  std::size_t group_bytes_max = 4U << 20;
  // Deliveries leased at one time (each about 1 KiB of memory), of all queues and of one. No queue
  // has more than are still free, so that one that has none finds some.
  std::size_t leases_max = 50'000;
  std::size_t leases_per_queue_max = 5'000;
  // Octets of bodies that leases of fresh mail may keep in memory; beyond, a body is read back when
  // needed.
  std::size_t lease_bytes_max = 128U << 20;
  // Recipients of one domain that travel in one delivery.
  std::size_t recipients_per_delivery = 100;
  // Octets that stay free on the disk, besides those the store will need for what it has taken in:
  // a submission or part that would go below is refused (kNoSpace). The ends of deliveries may use
  // them.
  std::uint64_t disk_reserve = 256ULL << 20;
  // A completion is on stable storage at the latest this much after it was written.
  Milliseconds completion_sync_interval{100};
};

// What never changes about an accepted message; shared by its leases.
struct Message {
  MessageId id;
  message::Envelope envelope;
  Band band = Band::kNormal;
  std::uint64_t size = 0;  // octets of the body
  // Of these, the octets of its first chunk where that is not like the others: the front of a body
  // that was written while it arrived (OpenBody). 0: an ordinary body.
  std::uint64_t front = 0;
  WallTime arrived;
  WallTime expires;
  std::uint32_t deliveries = 0;  // how many it was split into

  // Since when it may be attempted: its arrival, or the later time that its sender asked for.
  [[nodiscard]] WallTime released() const { return std::max(arrived, envelope.release); }

  // In how many pieces Queue::read_piece reads the body; those but the first and the last are of
  // Queue::kPieceSize.
  [[nodiscard]] std::uint32_t pieces() const;
};

enum class Refusal : std::uint8_t {
  kNone,                // accepted: on stable storage
  kMessagesFull,        // messages_max
  kBytesFull,           // bytes_max
  kTenantMessagesFull,  // tenant_messages_max
  kTenantBytesFull,     // tenant_bytes_max
  kNoSpace,             // disk_reserve
  // commit_waiting_max or commit_waiting_bytes_max, or the disk hangs in a write: try again soon.
  kBusy,
  kStoreFailed,
  kStopping,
};

// Runs on the commit thread (or, for a refusal that needs no disk, in the caller): it only posts.
using SubmitDone = UniqueFunction<void(Refusal)>;

class Core;

// A text too large to be held whole, written while it arrives; becomes part of a message by
// Submission::opened. Destroyed before that, or refused with its submission, what was written is
// erased (also after a crash, by the next start). Must not outlive Queue::stop(). Thread: one owner
// at a time; may be moved between threads.
class OpenBody {
 public:
  OpenBody();  // of no queue
  OpenBody(OpenBody&& other) noexcept;
  OpenBody& operator=(OpenBody&& other) noexcept;
  OpenBody(const OpenBody&) = delete;
  OpenBody& operator=(const OpenBody&) = delete;
  ~OpenBody();

  [[nodiscard]] bool valid() const { return state_ != nullptr; }

  // Octets of every part are a multiple of this (the size of a chunk on disk), but not what end()
  // takes.
  static constexpr std::size_t kPartUnit = 64U << 10;
  // Octets of the front: the body of a submission that has an OpenBody.
  static constexpr std::size_t kFrontMax = 1U << 20;

  // Writes a part, of at least one octet, behind those before it. One at a time: the next, or the
  // submission, when `done` was called. That is once, as for a submission; kNone says that the part
  // is written, not that it is synced: the submission's sync covers it. The limits of the queue are
  // for the submission to meet. After a refusal nothing more can be added, nor submitted: destroy
  // it. May be destroyed while a part is under way; `done` is called nevertheless.
  void append(message::Body part, SubmitDone done);

  // The last octets, any number: held in memory and written with the submission. Once, after all
  // parts; without it there are none.
  void end(message::Body rest);

  // All octets, those of end() included.
  [[nodiscard]] std::uint64_t size() const;

 private:
  friend struct OpenBodyParts;
  struct State;

  explicit OpenBody(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

struct Submission {
  MessageId id;  // from Queue::next_id()
  message::Envelope envelope;
  std::vector<message::Recipient> recipients;  // at least one; every domain in normal form
  message::Body body;
  // Where it is valid, made for this id: the text is `body`, which then is its front (trace fields
  // and header section, of 1 to OpenBody::kFrontMax octets), and behind that what this has.
  OpenBody opened;
  Band band = Band::kNormal;
  // Not attempted before; a time that is over, like the default, is at once.
  WallTime not_before;
  WallTime expires;
  // Journal lines for the event sink, handed over after the commit and before the answer.
  std::string events;

  // Octets of the whole text.
  [[nodiscard]] std::uint64_t size() const { return body.size() + opened.size(); }
};

// The right to attempt one delivery; nobody else has it meanwhile. Destroyed unfinished, the
// delivery becomes due again at once with no attempt counted. Must not outlive the Queue. Thread:
// one owner at a time; may be moved between threads.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&& other) noexcept;
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease();

  [[nodiscard]] bool valid() const { return core_ != nullptr; }

  [[nodiscard]] const Message& message() const { return *message_; }

  // Which of the message's deliveries this is: 0, 1, ...
  [[nodiscard]] std::uint32_t number() const { return number_; }

  // Domain of the recipients, in normal form, or an address literal.
  [[nodiscard]] const std::string& domain() const { return domain_; }

  // Those not yet ended, in the order given at submission.
  [[nodiscard]] const std::vector<message::Recipient>& recipients() const { return recipients_; }

  // Attempts finished before this one.
  [[nodiscard]] std::uint32_t attempts() const { return attempts_; }

  // A delay notification has been sent.
  [[nodiscard]] bool delay_reported() const { return delay_reported_; }

  // What the last attempt met; code 0: there was none.
  [[nodiscard]] const message::Status& last_status() const { return last_status_; }

  // The body, where it is still (or already) in memory; see Queue::read_body.
  [[nodiscard]] const std::optional<message::Body>& body() const { return body_; }

 private:
  friend struct LeaseParts;

  Core* core_ = nullptr;
  std::shared_ptr<const Message> message_;
  std::uint32_t number_ = 0;
  std::uint32_t attempts_ = 0;
  bool delay_reported_ = false;
  WallTime due_;  // its key in the due index
  std::string domain_;
  std::vector<message::Recipient> recipients_;
  message::Status last_status_;
  std::optional<message::Body> body_;
};

enum class Fate : std::uint8_t { kDelivered, kBounced, kExpired, kDeferred };

// How an attempt ended.
struct Completion {
  std::vector<Fate> fates;  // one for each of the lease's recipients, same order
  // For those deferred: when to try again, and what was met.
  WallTime next_attempt;
  message::Status status;
  bool attempted = true;        // false: put off without a try; attempts do not grow
  bool delay_reported = false;  // `report` tells of a delay
  // A notification that must exist exactly if this completion does: committed in the same batch.
  std::optional<Submission> report;
  // Journal lines, handed to the event sink before the batch is written.
  std::string events;
};

// Receives leases. Thread: called on the queue's threads; it only posts.
class Consumer {
 public:
  virtual ~Consumer() = default;
  virtual void deliver(std::vector<Lease> leases) = 0;
};

// All that is named must fit.
struct Selector {
  std::optional<MessageId> id;
  std::string domain;  // destination; empty: any
  std::string sender;  // exact address; empty: any
  std::string tenant;  // empty: any
  std::string campaign;
  std::optional<WallTime> arrived_before;
  std::optional<WallTime> due_after;  // deliveries that are not on hold
  bool all = false;  // must be set for a selector that names nothing, so that none is by accident

  [[nodiscard]] bool names_something() const {
    return id || !domain.empty() || !sender.empty() || !tenant.empty() || !campaign.empty() ||
           arrived_before || due_after;
  }
};

// One destination queue: domain, tenant, campaign, band.
struct QueueSummary {
  std::string domain;
  std::string tenant;
  std::string campaign;
  Band band = Band::kNormal;
  std::uint64_t deliveries = 0;
  std::uint64_t on_hold = 0;  // of these
  std::uint64_t bytes = 0;
  std::optional<WallTime> next_due;  // of what is neither held nor being attempted
  bool suspended = false;
};

// Of the queues that fit all that is named, also those to come.
struct Suspension {
  std::string domain;  // empty: any
  std::string tenant;
  std::string campaign;
  std::string reason;
  std::optional<WallTime> until;  // it ends by itself
};

struct DeliverySummary {
  std::uint32_t number = 0;
  std::string domain;
  std::vector<message::Recipient> recipients;
  std::uint32_t attempts = 0;
  WallTime due;
  bool leased = false;
  bool held = false;  // due has no meaning then
  message::Status last_status;
};

struct MessageSummary {
  Message message;
  std::vector<DeliverySummary> deliveries;  // those not ended
};

struct MessagePage {
  std::vector<MessageSummary> messages;
  std::optional<MessageId> next;  // where the next page starts; nullopt: there is none
};

struct Stats {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t deliveries = 0;
  std::uint64_t on_hold = 0;  // of these
  std::uint64_t queues = 0;
  std::uint64_t suspensions = 0;
  std::uint64_t leases = 0;
  std::uint64_t lease_bytes = 0;
  std::uint64_t commit_waiting = 0;
  std::uint64_t open_bodies = 0;
  std::uint64_t open_bytes = 0;  // written of these
};

struct Health {
  bool accepting = true;
  std::string reason;  // why not; "" while accepting
};

// Journal lines on their way out. Called on the commit thread.
using EventSink = std::function<void(std::string_view lines)>;

// The journal lines of recipients that an operator removed; nobody else is there to write them.
// Called on the commit thread.
using RemovalLines =
    std::function<std::string(const Message&, const std::vector<message::Recipient>&)>;

// Thread: any, unless said otherwise.
class Queue {
 public:
  // Reads the schema version and the queue records (not the messages): time follows the number of
  // queues. Erases the bodies that an earlier process was writing. Fails on a newer schema, or
  // where the store does. `store`, `clock`, `random` and `metrics` must outlive the queue.
  static Result<std::unique_ptr<Queue>> open(Options options, Store& store, const Clock& clock,
                                             Random& random, metrics::Registry& metrics,
                                             EventSink events, RemovalLines removal_lines = {});
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  // stop() first, unless start() was never called. No lease may be left.
  ~Queue();

  // Starts the threads; from now on `consumer` receives what is due. It must outlive stop().
  void start(Consumer& consumer);
  // In place of start(), for a caller that gives the threads their turns himself (tests/sim): see
  // stepper.h. step() is called from one thread, at next_step().
  void start_stepped(Consumer& consumer);
  bool step();
  [[nodiscard]] std::optional<TimePoint> next_step();
  // Hands out no more leases, at once; submissions are still taken, so that sessions can end in
  // order.
  void stop_leasing();
  // Refuses new submissions (kStopping), answers everything that waits, syncs, joins the threads.
  // finish() is still legal before, not after.
  void stop();

  // Grows strictly from call to call.
  MessageId next_id();

  // Makes the message durable and then says so. `done` is called exactly once.
  void submit(Submission submission, SubmitDone done);

  // For the text of the message that will have this id. Writes nothing yet.
  [[nodiscard]] OpenBody open_body(MessageId id);

  // Ends an attempt. Never refused: the lease has reserved the slot. If the store fails, the
  // delivery is due again at once (the at-least-once case), which is counted.
  void finish(Lease lease, Completion completion);

  // Loads the body into the lease, on the reader thread, and gives the lease back there: `done`
  // only posts. With lease.body() present it calls back at once. A damaged or missing body is an
  // error, and the delivery condemned.
  using BodyDone = UniqueFunction<void(Lease, Result<void>)>;
  void read_body(Lease lease, BodyDone done);
  // Octets of a piece of a body; the last one is shorter, and the first of a body with a front has
  // that in place of a quarter. What is larger than one need not be held whole: it can be read a
  // piece at a time.
  static constexpr std::size_t kPieceSize = 256U << 10;
  // Piece 0, 1, ... (below Message::pieces()) of the body of a lease's message, read and verified
  // on the reader thread: `done` only posts. The lease may end before it is answered. With an error
  // that is_damage(), whoever still has the lease condemns it.
  using PieceDone = UniqueFunction<void(Result<message::Body>)>;
  void read_piece(const Lease& lease, std::uint32_t number, PieceDone done);
  // Its body is damaged: when the lease ends, those not delivered go into quarantine.
  void condemn(const Lease& lease);

  // Removes what matches and is not leased; what is leased is removed when its attempt ends without
  // a delivery. `done` (commit thread) gets the number of messages that matched.
  // That it was asked for is on disk before the answer: a crash does not undo it.
  using ChangeDone = UniqueFunction<void(Result<std::uint64_t>)>;
  void remove(Selector selector, ChangeDone done);
  // Makes what matches due now; what is held stays held, and what may not leave yet is due then.
  void retry_now(Selector selector, ChangeDone done);
  // What matches now is not due any more, until it is released or removed. What is leased is held
  // when its attempt ends, if something is left of it. Ages run, and nothing expires: that takes an
  // attempt.
  void hold(Selector selector, ChangeDone done);
  // Makes what matches and is held due now, or when it may leave.
  void release(Selector selector, ChangeDone done);

  // Nothing that fits is leased, of mail that is here or will come, until that is resumed or its
  // time is over; what is leased already is finished. Mail is accepted as ever. Survives restarts.
  // One that names the same replaces the other. `done` (commit thread) gets how many suspensions
  // were made, replaced or ended: 0 or 1. Beyond kSuspensionsMax it fails.
  static constexpr std::size_t kSuspensionsMax = 10'000;
  void suspend(Suspension suspension, ChangeDone done);
  // Ends the one that names the same.
  void resume(Suspension suspension, ChangeDone done);
  [[nodiscard]] std::vector<Suspension> suspensions() const;

  // These read the store in the caller's thread: never from a loop.
  [[nodiscard]] std::vector<QueueSummary> queues(std::size_t limit) const;
  // At most `limit` messages with an id not below `from`, in order of id, after a look at no more
  // than about kLooksPerPage deliveries: a page may be short, or empty, and not be the last.
  static constexpr std::size_t kLooksPerPage = 50'000;
  [[nodiscard]] Result<MessagePage> messages(const Selector& selector, std::size_t limit,
                                             MessageId from = {}) const;
  [[nodiscard]] Result<std::optional<MessageSummary>> message(MessageId id) const;

  [[nodiscard]] Stats stats() const;
  [[nodiscard]] Health health() const;
  // The disk has no more than its reserve left: a report, which is taken all the same, should be
  // small.
  [[nodiscard]] bool is_short_of_space() const;

 private:
  class State;

  explicit Queue(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace postrider::queue
