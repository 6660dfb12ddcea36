// Backlog: what waits at a site, queue by queue. The queues (a domain, tenant, campaign and band
// each) take turns as QueueTurns says, each within its own rate; within a queue the oldest message
// goes first.
//
// Thread: one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "queue/queue.h"
#include "relay/delivery/queue_turns.h"
#include "relay/policy/rate_limit.h"
#include "relay/policy/tenant_weights.h"

namespace postrider::delivery {

class Backlog {
 public:
  // `queue_rate` is that of each queue; `weights` outlive it.
  Backlog(const policy::Rate& queue_rate, const policy::TenantWeights& weights)
      : queue_rate_(queue_rate), weights_(&weights) {}

  // `until`: should it still wait then, take_overdue() has it.
  void push(queue::Lease lease, TimePoint until = TimePoint::max());
  // The next whose queue may go now; counts against its rate. nullopt: see ready_at().
  std::optional<queue::Lease> take(TimePoint now);
  // When take() will have one; TimePoint::max(): nothing waits.
  [[nodiscard]] TimePoint ready_at(TimePoint now) const;

  [[nodiscard]] std::size_t size() const { return size_; }

  [[nodiscard]] bool empty() const { return size_ == 0; }

  // The newest message of the longest queue, while more than `keep` wait.
  std::optional<queue::Lease> shed(std::size_t keep);

  // What a queue's own rate will not let through for a good while, with the time to come again.
  struct Late {
    queue::Lease lease;
    TimePoint at;
  };

  std::optional<Late> shed_late(TimePoint now);

  // What has waited too long, without order; it is not looked for before overdue_at().
  std::vector<queue::Lease> take_overdue(TimePoint now);

  // No later than when some of what waits is overdue; max(): nothing waits.
  [[nodiscard]] TimePoint overdue_at() const { return empty() ? TimePoint::max() : overdue_at_; }

  // Without order.
  std::vector<queue::Lease> take_all();

  // How much of what a rate lets through in this time is kept, and at least: the rest is put off.
  static constexpr Duration kKeepFor = Seconds(10);
  static constexpr std::size_t kKeepMin = 10;
  static std::size_t kept_of(const policy::RateLimit& limit);

 private:
  using Id = QueueTurns::Id;
  using Age = std::pair<queue::MessageId, std::uint32_t>;

  struct Waiting {
    queue::Lease lease;
    TimePoint until;
  };

  using ByAge = std::map<Age, Waiting>;

  // A queue. With leases it stands in the order of turns, or rests until its rate lets the next
  // through. Without, it stays while its rate remembers something.
  struct Line {
    QueueTurns::Member member;
    std::string name;
    ByAge leases;
    policy::RateLimit rate;
    policy::Appointments appointments;
  };

  Line& line_of(const queue::Lease& lease);
  queue::Lease pop(Line& line, ByAge::iterator which);
  void wake(TimePoint now);
  void forget(Line& line);
  void forget_idle(TimePoint now);

  // Where all have the same lifetime some are overdue at any time, and finding them is a look at
  // each that waits.
  static constexpr Duration kOverduePause = Seconds(1);
  // Queues without leases that are remembered for their rate.
  static constexpr std::size_t kIdleMax = 1000;

  policy::Rate queue_rate_;
  const policy::TenantWeights* weights_;
  QueueTurns turns_;
  std::set<std::pair<TimePoint, Id>> resting_;
  std::unordered_map<std::string, std::unique_ptr<Line>> lines_;  // by name
  std::unordered_map<Id, Line*> by_id_;
  Id last_id_ = 0;
  std::size_t idle_max_ = kIdleMax;
  std::size_t size_ = 0;
  TimePoint overdue_at_ = TimePoint::max();  // of what waits, or has since the last look
};

}  // namespace postrider::delivery
