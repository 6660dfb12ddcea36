// The part of Core that lets submissions and parts of bodies in, or refuses them.
#include "queue/core.h"
#include "relay/base/check.h"

namespace postrider::queue {

WaitingShare waiting_share(const Operation& operation) {
  if (const auto* submit = std::get_if<SubmitOp>(&operation)) {
    return {1, OpenBodyParts::held(submit->submission)};
  }
  if (const auto* append = std::get_if<AppendOp>(&operation)) return {1, append->part.size()};
  return {};
}

void AppendOp::answer(Refusal refusal) {
  if (!done) return;
  *state = refusal == Refusal::kNone ? PartState::kDone : PartState::kRefused;
  std::exchange(done, {})(refusal);
}

void Core::submit(Submission submission, SubmitDone done) {
  PR_CHECK(!submission.recipients.empty());
  OpenBodyParts::check(submission);
  const Refusal refusal = admit(submission);
  if (refusal != Refusal::kNone) return refuse(refusal, done);
  push(SubmitOp{std::move(submission), std::move(done)});
}

bool Core::append(AppendOp operation) {
  const std::size_t size = operation.part.size();
  Refusal refusal = takes_nothing();
  if (refusal == Refusal::kNone) refusal = admit_waiting(size, disk_cost(size, 0));
  if (refusal != Refusal::kNone) {
    refuse_part(refusal, operation);
    return false;
  }
  push(std::move(operation));
  return true;
}

void Core::refuse_part(Refusal refusal, AppendOp& part) {
  if (!part.done) return;
  counter_of(refusal).add();
  part.answer(refusal);
}

Refusal Core::takes_nothing() const {
  if (closed) return Refusal::kStopping;
  if (failed) return Refusal::kStoreFailed;
  return write_age() >= kHangingWrite ? Refusal::kBusy : Refusal::kNone;
}

// Each bound takes its share first and gives it back if that was too much: exact without a lock.
Refusal Core::admit(const Submission& submission) {
  const std::uint64_t size = submission.size();
  const std::string& tenant = submission.envelope.tenant;
  if (const Refusal all = takes_nothing(); all != Refusal::kNone) return all;
  if (admitted_messages.fetch_add(1) >= options.messages_max) {
    admitted_messages.fetch_sub(1);
    return Refusal::kMessagesFull;
  }
  Refusal full = Refusal::kNone;
  if (admitted_bytes.fetch_add(size) + size > options.bytes_max) full = Refusal::kBytesFull;
  if (full == Refusal::kNone) full = tenants.lock()->admit(tenant, size);
  if (full != Refusal::kNone) {
    admitted_messages.fetch_sub(1);
    admitted_bytes.fetch_sub(size);
    return full;
  }
  const std::size_t held = OpenBodyParts::held(submission);
  full = admit_waiting(held, disk_cost(held, submission.recipients.size()));
  if (full != Refusal::kNone) take_back_admission(tenant, size);
  return full;
}

Refusal Core::admit_waiting(std::size_t octets, std::int64_t disk_octets) {
  if (space_left.fetch_sub(disk_octets) < disk_octets) {
    space_left.fetch_add(disk_octets);
    return Refusal::kNoSpace;
  }
  const bool count_fits = waiting_count.fetch_add(1) < options.commit_waiting_max;
  const bool bytes_fit =
      waiting_bytes.fetch_add(octets) + octets <= options.commit_waiting_bytes_max;
  if (count_fits && bytes_fit) return Refusal::kNone;
  waiting_count.fetch_sub(1);
  waiting_bytes.fetch_sub(octets);
  space_left.fetch_add(disk_octets);
  return Refusal::kBusy;
}

void Core::take_back_admission(std::string_view tenant, std::uint64_t size) {
  admitted_messages.fetch_sub(1);
  admitted_bytes.fetch_sub(size);
  tenants.lock()->take_back(tenant, size);
}

void Core::take_in(std::string_view tenant, std::uint64_t size) {
  admitted_messages.fetch_add(1);
  admitted_bytes.fetch_add(size);
  tenants.lock()->take_in(tenant, size);
}

const metrics::Counter& Core::counter_of(Refusal refusal) const {
  switch (refusal) {
    case Refusal::kNone:
      break;
    case Refusal::kMessagesFull:
      return metrics.refused_messages;
    case Refusal::kBytesFull:
      return metrics.refused_bytes;
    case Refusal::kTenantMessagesFull:
      return metrics.refused_tenant_messages;
    case Refusal::kTenantBytesFull:
      return metrics.refused_tenant_bytes;
    case Refusal::kNoSpace:
      return metrics.refused_space;
    case Refusal::kBusy:
      return metrics.refused_busy;
    case Refusal::kStoreFailed:
      return metrics.refused_failed;
    case Refusal::kStopping:
      return metrics.refused_stopping;
  }
  PR_CHECK(false, "no submission is refused for nothing");
  return metrics.refused_stopping;
}

void Core::refuse(Refusal refusal, SubmitDone& done) {
  counter_of(refusal).add();
  if (done) done(refusal);
}

std::int64_t Core::disk_cost(std::uint64_t size, std::size_t recipients) {
  constexpr std::uint64_t kPerMessage = 768;
  constexpr std::uint64_t kPerRecipient = 256;
  return static_cast<std::int64_t>(2 * (size + kPerMessage + recipients * kPerRecipient));
}

}  // namespace postrider::queue
