// Allowance: what may go to a destination from one source, and what has gone: connections at a
// time, messages and connections in a time. A site has one of its own and, where it belongs to a
// provider, shares another with the provider's other sites, all of which live on one worker.
//
// Who finds no place waits in line and is told; nobody asks again and again. Thread: loop-affine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>

#include "relay/policy/limits.h"
#include "relay/policy/rate_limit.h"

namespace postrider::delivery {

// Who shares an allowance.
class Sharer {
 public:
  virtual ~Sharer() = default;
  // There is a place and it is first in line. Told from within another sharer's call: it acts
  // later.
  virtual void on_place() = 0;
  // Somebody waits: closes an idle connection, if it has one. It may do so at once.
  virtual bool give_way() = 0;
};

class Allowance {
 public:
  explicit Allowance(const policy::Limits& limits);

  // Whether `sharer` may open a connection: there is a place, and nobody is before it in line. If
  // not it stands in line from now on, and another's idle connection is closed if there is one.
  bool has_place(Sharer& sharer);
  // In place of has_place(), or before it is destroyed: it wants none any more.
  void leave_line(Sharer& sharer);
  [[nodiscard]] bool others_wait(const Sharer& sharer) const;
  // Whether others wait, and so many connections are more than an even share.
  [[nodiscard]] bool is_above_share(const Sharer& sharer, std::size_t connections) const;

  void opened(Sharer& sharer, TimePoint now);
  void closed(Sharer& sharer);

  void sent(TimePoint now) { messages_.take(now); }

  // When the next connection may be tried, and the next message sent.
  [[nodiscard]] TimePoint open_at() const { return dials_.ready_at(); }

  [[nodiscard]] TimePoint send_at() const { return messages_.ready_at(); }

  [[nodiscard]] const policy::RateLimit& messages() const { return messages_; }

  // When a message should come again that waits behind `kept` others and is not kept.
  TimePoint appoint(std::uint64_t kept, TimePoint now) {
    return appointments_.make(messages_, kept, now);
  }

  [[nodiscard]] std::size_t connections() const { return holders_.size(); }

  // Nothing it remembers matters any more.
  [[nodiscard]] bool is_fresh(TimePoint now) const {
    return holders_.empty() && messages_.is_fresh(now) && dials_.is_fresh(now);
  }

 private:
  void tell_first();

  std::size_t connections_max_;
  policy::RateLimit messages_;
  policy::RateLimit dials_;
  policy::Appointments appointments_;
  std::multiset<Sharer*> holders_;  // once for each connection
  std::deque<Sharer*> line_;
};

}  // namespace postrider::delivery
