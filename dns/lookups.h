// Lookups: one question, asked of the servers until there is an answer: the cache before, one query
// for many askers, a cap of queries in flight, repetition, failover, TCP where an answer is cut,
// and no EDNS for servers that do not know it.
//
// The cap is of places. A query gives its place up with its answer or after kPromptAnswer,
// whichever comes first, and is listened to all the same: names whose servers are silent cost the
// others a moment each, not a timeout each. Thread: loop-affine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dns/cache.h"
#include "dns/resolver.h"
#include "dns/transport.h"
#include "dns/wire.h"
#include "metrics/metrics.h"
#include "relay/base/clock.h"

namespace postrider::dns {

// Who waits for an answer.
class Asker {
 public:
  virtual ~Asker() = default;
  virtual void answered(const Question& question, const Answer& answer) = 0;
};

class Lookups {
 public:
  // All references must outlive the object.
  Lookups(const Options& options, const Clock& clock, Random& random, metrics::Registry& metrics,
          Transport& transport);

  // The answer where it is known at once; else null, and `asker` is told later, if it still lives.
  std::shared_ptr<const Answer> ask(const Question& question, const std::shared_ptr<Asker>& asker);
  // What the transport reports.
  void reply(std::uint16_t id, Delivery delivery, const std::string& packet);
  // Forgets all questions; no asker is told.
  void clear();
  // Sends what may be sent by now; to be called at wake_at().
  void pass_time();
  // When a place becomes free by time alone; TimePoint::max() while nothing waits for one.
  [[nodiscard]] TimePoint wake_at() const;

  [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }

 private:
  struct Pending {
    Question question;
    std::vector<std::weak_ptr<Asker>> askers;
    std::size_t server = 0;
    unsigned tried = 0;  // servers, those tried again counted again
    bool tcp = false;
    bool edns = true;
    std::string query;
    TimePoint started;
    TimePoint sent;
    std::optional<std::list<std::shared_ptr<Pending>>::iterator> place;
  };

  using PendingRef = std::shared_ptr<Pending>;

  // An answer out of a resolver's cache, or from a server that is well, has come by then.
  static constexpr Duration kPromptAnswer = Milliseconds(50);
  // Of so many places that become free one goes to a question that was asked before, while others
  // wait for their first try.
  static constexpr unsigned kAgainTurn = 4;

  void send(const PendingRef& pending);
  void free_place(Pending& pending);
  // The next in line; null where nobody waits.
  PendingRef take_waiting();
  void send_waiting();
  std::uint16_t unused_id();
  // Prepares asking again, over TCP or without EDNS, if that can help; false: `reading` is what it
  // is.
  bool ask_differently(const PendingRef& pending, const Reading& reading);
  // Prepares asking the next server, if any try is left.
  bool ask_elsewhere(const PendingRef& pending, Outcome outcome);
  void complete(const PendingRef& pending, Answer answer);
  void keep(const Question& question, const std::shared_ptr<const Answer>& answer);
  void count_query(QueryType type);
  void count_answer(Outcome outcome);

  const Options& options_;
  const Clock& clock_;
  Random& random_;
  Transport& transport_;
  Cache cache_;
  std::size_t in_flight_max_;
  std::size_t preferred_server_ = 0;
  std::unordered_map<Question, PendingRef, QuestionHash> pending_;
  std::unordered_map<std::uint16_t, PendingRef> in_flight_;  // by id
  std::list<PendingRef> places_;                             // taken, the longest first
  std::deque<PendingRef> waiting_;                           // for a place, and not asked yet
  std::deque<PendingRef> again_;                             // for a place, and asked before
  unsigned turn_ = 0;

  std::vector<metrics::Counter> queries_;  // by place in the table of types
  std::vector<metrics::Counter> answers_;  // by outcome
  metrics::Counter cache_hits_;
  metrics::Gauge cache_entries_;
  metrics::Histogram seconds_;
};

}  // namespace postrider::dns
