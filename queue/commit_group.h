// CommitGroup: what one write holds: submissions, parts of bodies and abandonments of them,
// completions and the work of operators, planned, encoded into one batch, and taken into memory
// once the batch is on disk. Thread: the commit thread; the methods that take a DueIndex are called
// under its lock.
//
// The order is: add..., plan, encode, write, then apply or cancel, then settle and clear.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "queue/core.h"

namespace postrider::queue {

// One delivery of a message that is being accepted.
struct PlannedDelivery {
  QueueName name;
  DeliveryRecord record;
  QueueEntry* queue = nullptr;  // from plan()
  bool leased = false;          // handed out as soon as it is on disk
};

struct PlannedSubmission {
  std::shared_ptr<const Message> message;
  message::Body body;
  OpenBodyParts::Taken opened;  // what is behind the front, where there is one
  std::vector<PlannedDelivery> deliveries;
  std::string events;
  SubmitDone done;         // empty for a report
  bool is_report = false;  // did not pass submit(), so nothing was admitted for it
};

// A delivery that is on disk ends or moves. It is leased or held until the group is taken in.
struct PlannedChange {
  enum class Kind : std::uint8_t { kEnded, kMoved, kQuarantined };

  Kind kind = Kind::kEnded;
  DeliveryKey delivery;
  WallTime old_due;
  DeliveryRecord record;                   // as it will be, if it moves
  std::uint64_t size = 0;                  // of the message
  std::uint64_t front = 0;                 // of its body
  std::uint32_t deliveries = 0;            // the message was split into; 0: not known
  std::shared_ptr<const Message> message;  // of a completion, in case it turns into a removal
  std::string reason;                      // of a quarantine
  std::uint64_t removed = 0;               // recipients ended by an operator
  QueueEntry* queue = nullptr;             // from plan()
  bool message_gone = false;               // from encode(): it was the last

  // How many more of its queue will be on hold.
  [[nodiscard]] std::int64_t on_hold() const {
    const bool will_be = kind == Kind::kMoved && record.due == kHeld;
    return static_cast<std::int64_t>(will_be) - static_cast<std::int64_t>(old_due == kHeld);
  }
};

// A leased delivery gets a note on disk of what is to be done when its lease ends.
struct PlannedMark {
  DeliveryKey delivery;
  DeliveryRecord record;
};

class CommitGroup {
 public:
  explicit CommitGroup(Core& core) : core_(core) {}

  void add(SubmitOp operation, WallTime now);
  void add(FinishOp operation, WallTime now);
  void add(AppendOp part);
  // Parts of that body in this group are not written.
  void add(AbandonOp abandoned);
  // For work whose deliveries are held already; plan() does not look at verdicts for them.
  void add(PlannedChange change);

  void add(PlannedMark mark) { marks_.push_back(std::move(mark)); }

  // The journal lines of a removal.
  void note_removed(const Message& message, const std::vector<message::Recipient>& recipients);

  // Finds the queues, keeps the reader off what will appear on disk, leases fresh mail if `lease`.
  void plan(DueIndex& index, WallTime now, bool lease);
  // Fails only if the store cannot be read; nothing is changed then.
  Result<void> encode(Batch& batch, const Totals& before);
  // The batch is on disk: memory follows.
  void apply(DueIndex& index);
  // As apply, for completions and the reports that belong to them; the submissions that have been
  // refused remain in the group.
  void apply_without_submissions(DueIndex& index);
  // The deliveries that were there before stay as they were, and are free again. Takes the lock
  // itself.
  void cancel_changes();
  // The submissions will not come to be: their holds and leases end.
  void cancel_submissions(DueIndex& index);
  // Ends the touched queues' plans. Queues with nothing left leave memory.
  void settle(DueIndex& index);
  void clear();
  // Before plan(): gives back what was added by plan_admin, and forgets it.
  void drop();

  // Before encode_repair: what the touched queues' records will say.
  void find_bounds(DueIndex& locked);
  // Makes the disk equal to memory, whether or not the group's own batch took effect: erases what
  // its submissions wrote, and writes the records of the touched queues anew.
  void encode_repair(Batch& batch, const Totals& now);

  // For those whose delivery was leased: the leases. Call once, after apply.
  std::vector<Lease> take_leases();

  [[nodiscard]] std::size_t size() const {
    return submissions_.size() + changes_.size() + marks_.size() + parts_.size() +
           abandoned_.size();
  }

  [[nodiscard]] bool empty() const { return size() == 0; }

  // Octets of text to be written.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  [[nodiscard]] bool needs_sync() const { return needs_sync_; }

  // Journal lines of the completions and removals.
  [[nodiscard]] const std::string& events() const { return events_; }

  [[nodiscard]] std::vector<PlannedSubmission>& submissions() { return submissions_; }

  // With those of them whose body has been abandoned.
  [[nodiscard]] std::vector<AppendOp>& parts() { return parts_; }

  // What totals() will be when the group is on disk.
  [[nodiscard]] const Totals& totals_after() const { return after_; }

  // What they will be if the group's own batch took effect and its submissions are then erased.
  [[nodiscard]] Totals totals_without_submissions() const;
  // The fates counted while planning, for the metrics.
  void count_ends() const;

 private:
  struct Ends {
    std::uint64_t delivered = 0, bounced = 0, expired = 0, removed = 0;
  };

  void add_submission(Submission submission, SubmitDone done, bool is_report, WallTime now);
  void decide(DueIndex& index, PlannedChange& change);
  QueueEntry::Plan& touch(QueueEntry& queue, std::int64_t deliveries, std::int64_t bytes,
                          WallTime due);
  void encode(Batch& batch, const PlannedSubmission& submission);
  Result<void> encode(Batch& batch, PlannedChange& change);
  void encode(Batch& batch, const AppendOp& part);
  static void encode(Batch& batch, const AbandonOp& abandoned);
  void encode_body(Batch& batch, const PlannedSubmission& submission);
  void encode_chunks(Batch& batch, const MessageId& id, std::uint32_t first,
                     const message::Body& text, std::size_t chunk_size = kBodyChunkSize);
  MessageId lower_water();
  void encode_queue(Batch& batch, const QueueEntry& queue, const QueueRecord& record);
  Result<std::uint32_t> take_one_left(const PlannedChange& change);
  void add_to_tenant(std::string_view tenant, std::int64_t messages, std::uint64_t size);
  void encode_tenants(Batch& batch, bool with_changes);
  void commit_tenants();
  void apply_changes(DueIndex& index);
  void apply_change(DueIndex& index, const PlannedChange& change);
  void apply_submission(DueIndex& index, const PlannedSubmission& submission);

  Core& core_;
  std::vector<PlannedSubmission> submissions_;
  std::vector<PlannedChange> changes_;
  std::vector<PlannedMark> marks_;
  std::vector<AppendOp> parts_;
  std::vector<AbandonOp> abandoned_;
  std::vector<QueueEntry*> touched_;
  std::unordered_map<MessageId, std::uint32_t, MessageIdHash> left_;  // as this batch leaves it
  std::map<std::string, TenantChange, std::less<>> tenants_;          // by this batch
  std::string events_;
  std::size_t bytes_ = 0;
  bool needs_sync_ = false;
  Totals after_;
  Ends ends_;
  std::vector<std::string_view> pieces_;  // scratch
};

}  // namespace postrider::queue
