// Core: the state that the queue's callers, its commit thread and its reader thread share, and the
// doors through which work gets from one to another. Private to queue/. Thread: any.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "queue/body_layout.h"
#include "queue/due_index.h"
#include "queue/low_water.h"
#include "queue/open_body.h"
#include "queue/queue.h"
#include "queue/queue_metrics.h"
#include "queue/record.h"
#include "queue/signal.h"
#include "queue/tenants.h"
#include "relay/base/guarded.h"

namespace postrider::queue {

struct SubmitOp {
  Submission submission;
  SubmitDone done;
};

struct FinishOp {
  Lease lease;
  Completion completion;
};

// Work on deliveries that have no lease in anybody's hands.
struct AdminOp {
  enum class Kind : std::uint8_t { kRemove, kRetryNow, kHold, kRelease, kQuarantine };

  struct Target {
    MessageId id;
    std::vector<std::uint32_t> numbers;  // of its deliveries
  };

  Kind kind = Kind::kRemove;
  std::vector<Target> targets;
  // The targets are held already: their leases came back with a verdict.
  bool held = false;
  std::string reason;  // of a quarantine
  // A step of a job that another follows may leave its sync to that one.
  bool sync = true;
  // Gets the number of messages matched. May be empty.
  UniqueFunction<void(Result<std::uint64_t>)> done;
};

// A part of an open body.
struct AppendOp {
  MessageId id;
  std::uint64_t offset = 0;  // octets of the parts before it
  message::Body part;
  SubmitDone done;
  SharedPartState state;

  // Once; later calls do nothing.
  void answer(Refusal refusal);
};

// An open body that will not be part of a message: what was written of it is erased. Never refused
// while the store can be written; what is left at the end is erased by the next start.
struct AbandonOp {
  MessageId id;
  std::uint64_t written = 0;  // octets of its parts
};

struct SuspendOp {
  Suspension suspension;
  bool begins = true;  // false: it ends
  UniqueFunction<void(Result<std::uint64_t>)> done;
};

using Operation = std::variant<SubmitOp, FinishOp, AdminOp, SuspendOp, AppendOp, AbandonOp>;

// What an operation counts for among those that wait.
struct WaitingShare {
  std::size_t count = 0;
  std::size_t octets = 0;  // of text
};

WaitingShare waiting_share(const Operation& operation);

// What the commit thread has taken and not begun, as long as it writes; empty otherwise.
struct Taken {
  std::vector<Operation> operations;
  std::size_t next = 0;  // those before are done
};

// What the commit thread has to take.
struct Waiting {
  std::vector<Operation> operations;
  bool closed = false;  // the commit thread has ended: nothing is taken any more
};

struct BodyRequest {
  Lease lease;
  Queue::BodyDone done;
};

struct PieceRequest {
  MessageId id;
  BodyLayout layout;
  std::uint32_t number = 0;
  Queue::PieceDone done;
};

// A remove(), retry_now(), hold() or release(): the reader finds what matches, a bounded step at a
// time, and the commit thread does it.
struct Job {
  AdminOp::Kind kind = AdminOp::Kind::kRemove;
  Selector selector;
  MessageId from;  // where the next step starts
  bool ended = false;
  std::uint64_t matched = 0;
  UniqueFunction<void(Result<std::uint64_t>)> done;
};

struct ReaderWork {
  std::deque<std::variant<BodyRequest, PieceRequest>> bodies;
  std::deque<std::shared_ptr<Job>> jobs;
  bool closed = false;
};

// The way into a Lease for those who make and end them.
struct LeaseParts {
  static Lease make(Core& core, std::shared_ptr<const Message> message, std::uint32_t number,
                    DeliveryRecord record);

  static DeliveryKey key(const Lease& lease) { return {lease.message_->id, lease.number_}; }

  static WallTime due(const Lease& lease) { return lease.due_; }

  static void set_body(Lease& lease, message::Body body) { lease.body_ = std::move(body); }

  // What the lease says of its delivery, with all its recipients.
  static DeliveryRecord take_record(Lease& lease);

  static const std::shared_ptr<const Message>& shared_message(const Lease& lease) {
    return lease.message_;
  }

  // The lease is nobody's any more: its end has been taken care of.
  static void disarm(Lease& lease) { lease.core_ = nullptr; }
};

class Core {
 public:
  Core(const Options& options, Store& store, const Clock& clock, Random& random,
       metrics::Registry& registry, EventSink events, RemovalLines removal_lines,
       const Totals& totals);
  // No lease may be left.
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // --- for callers, as in queue.h ---
  void submit(Submission submission, SubmitDone done);
  // False: refused, and answered.
  bool append(AppendOp operation);
  void finish(Lease lease, Completion completion);
  void read_body(Lease lease, Queue::BodyDone done);
  void read_piece(const Lease& lease, std::uint32_t number, Queue::PieceDone done);
  void start_job(AdminOp::Kind kind, Selector selector,
                 UniqueFunction<void(Result<std::uint64_t>)> done);
  // The job's next step, and its answer.
  void continue_job(std::shared_ptr<Job> job);
  void end_job(Job& job, Result<std::uint64_t> result);
  [[nodiscard]] Stats stats();
  [[nodiscard]] Health health();

  [[nodiscard]] bool is_short_of_space() const { return space_left <= 0; }

  void stop_leasing();

  // --- between the threads ---
  // A leased delivery stays as it is on disk: due again, or what its verdict says.
  void give_back(const DeliveryKey& delivery);
  // As give_back, for a lease taken on an index entry that turned out to be stale.
  void drop_stale(const DeliveryKey& delivery);
  // Never to be delivered; a lease on it must exist. Takes effect when that lease ends.
  void condemn(const DeliveryKey& delivery, std::string_view reason);
  // The end of a lease that only serves to do what was asked for.
  void carry_out(const DeliveryKey& delivery, Asked asked);
  void enqueue(Operation operation);
  // Counts the body's octets as lease memory for as long as any of its chunks lives.
  message::Body track(const message::Body& body);
  // What has passed submit() ends without having become a message on disk.
  void take_back_admission(std::string_view tenant, std::uint64_t size);
  // A report comes to be, whatever the limits say.
  void take_in(std::string_view tenant, std::uint64_t size);
  // Counts and answers, unless that was done.
  void refuse_part(Refusal refusal, AppendOp& part);
  // Answers an operation that will not be done, for `why`.
  void abandon(Operation operation, Refusal refusal, const Error& why);
  void store_failed(const Error& error);
  void store_recovered();
  // How long the write under way has taken so far; zero: none is.
  [[nodiscard]] Duration write_age() const;
  // Asked now and then by a thread that does not write: while a write hangs, submissions that have
  // waited for long are refused. Those that are being written wait on.
  void watch_write();
  // Whether the disk has no room left for the ends of more deliveries.
  void set_disk_full(bool full);
  // What one submission takes of the disk, in log and table together; rather more than less.
  static std::int64_t disk_cost(std::uint64_t size, std::size_t recipients);

  // A write that takes so long hangs: new submissions are refused (kBusy), and after the other time
  // those that wait.
  static constexpr Seconds kHangingWrite{10};
  static constexpr Seconds kWaitMax{30};
  // How often watch_write() is to be called.
  static constexpr Seconds kWatchInterval{5};

  const Options options;
  Store& store;
  const Clock& clock;
  const EventSink events;
  const RemovalLines removal_lines;  // may be empty
  const QueueMetrics metrics;
  IdSource ids;
  Guarded<DueIndex> index;
  Guarded<LowWater> low_water;
  Guarded<Totals> totals;  // as committed
  Guarded<Tenants> tenants;
  Guarded<Waiting> waiting;
  Guarded<Taken> taken;
  Guarded<ReaderWork> reader_work;
  Signal commit_signal;
  Signal reader_signal;
  Consumer* consumer = nullptr;        // set before the threads start
  std::atomic<bool> stopping{false};   // no more leases
  std::atomic<bool> closed{false};     // no more submissions
  std::atomic<bool> failed{false};     // the store refused a write and has not taken one since
  std::atomic<bool> disk_full{false};  // no completion could be recorded soon: delivery pauses
  // Of submissions and parts that the commit thread has not taken yet.
  std::atomic<std::size_t> waiting_count{0};
  std::atomic<std::size_t> waiting_bytes{0};
  // Open bodies, and the octets that were written of them.
  std::atomic<std::uint64_t> open_bodies{0};
  std::atomic<std::uint64_t> open_bytes{0};
  // Messages and octets on disk or on their way there: what the limits apply to.
  std::atomic<std::uint64_t> admitted_messages;
  std::atomic<std::uint64_t> admitted_bytes;
  // Octets that may still be taken in before the disk reserve; refreshed by the commit thread.
  std::atomic<std::int64_t> space_left;
  std::atomic<std::uint64_t> disk_free{0};
  std::atomic<std::uint64_t> disk_files{0};
  // When the write under way began, in ticks of TimePoint; 0: none is.
  std::atomic<TimePoint::rep> write_began{0};
  std::shared_ptr<std::atomic<std::uint64_t>> lease_bytes;
  // The store has lost what it had taken: memory is ahead of the disk, and only a new start brings
  // them together. Ends the process; tests put something else here.
  std::function<void(const std::string& why)> end_process;

 private:
  struct Collector;

  // Why nothing at all is let in; kNone: it is looked at.
  [[nodiscard]] Refusal takes_nothing() const;
  Refusal admit(const Submission& submission);
  // Room among what waits for the commit thread, and on the disk.
  Refusal admit_waiting(std::size_t octets, std::int64_t disk_octets);
  // Delivery pauses, or goes on, as the flags above say.
  void set_pause();
  void refuse(Refusal refusal, SubmitDone& done);
  [[nodiscard]] const metrics::Counter& counter_of(Refusal refusal) const;
  [[nodiscard]] const metrics::Counter& changed_counter(AdminOp::Kind kind) const;
  void push(Operation operation);
  void end_held(const DeliveryKey& delivery, bool stale);

  // Moves the submissions, and parts of bodies, from the one to the other.
  static void take_submissions(std::vector<Operation>& from, std::size_t first,
                               std::vector<Operation>& to);

  std::atomic<bool> hanging_{false};     // was said in the log
  std::atomic<std::size_t> changes_{0};  // by operators, waiting or under way
  Guarded<std::string> failure_;         // why the store failed
  std::shared_ptr<Collector> collector_;
};

}  // namespace postrider::queue
