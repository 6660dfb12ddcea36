// WaitingRoom: the mail that waits at a site from one source, while it is in memory. What is due
// stands in the Backlog, by turns; the next of it are loaded, that is, have their bodies in memory,
// and go first. What has to wait for long is put off in the queue, so that it holds no lease; what
// waits beyond its lifetime ends here.
//
// Thread: loop-affine; the owner's of the site.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/queue.h"
#include "relay/base/task.h"
#include "relay/delivery/allowance.h"
#include "relay/delivery/backlog.h"
#include "relay/delivery/channel.h"
#include "relay/delivery/report.h"
#include "relay/delivery/shared.h"
#include "relay/event/loop.h"

namespace postrider::delivery {

class WaitingRoom {
 public:
  // `on_loaded` is told, from the loop, when what was being loaded is there or has been put off.
  WaitingRoom(Shared& shared, event::Loop& loop, std::string site, const policy::Rate& queue_rate,
              UniqueFunction<void()> on_loaded);
  // Gives back what waits.
  ~WaitingRoom();
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  void push(queue::Lease lease);

  [[nodiscard]] std::size_t size() const { return backlog_.size() + loaded_.size() + loading_; }

  // Of these, loaded or about to be.
  [[nodiscard]] std::size_t at_hand() const { return loaded_.size() + loading_; }

  // --- in turn ---
  // Begins to load the next whose queue may go now. False: none may; see ready_at().
  bool load_one(TimePoint now);

  // When another of those that are not at hand may go.
  [[nodiscard]] TimePoint ready_at(TimePoint now) const { return backlog_.ready_at(now); }

  // The first that is loaded; null: none is.
  [[nodiscard]] const Parcel* first() const { return loaded_.empty() ? nullptr : &loaded_.front(); }

  // The first of those loaded that `suits` holds for.
  template <class Suits>
  std::optional<Parcel> take(const Suits& suits) {
    const auto found = std::ranges::find_if(loaded_, suits);
    if (found == loaded_.end()) return std::nullopt;
    Parcel parcel = std::move(*found);
    loaded_.erase(found);
    return parcel;
  }

  // To be the first.
  void put_back(Parcel parcel) { loaded_.push_front(std::move(parcel)); }

  // --- not in turn ---
  // Ends what has waited here beyond its lifetime; of what is loaded, whose turn has come, only
  // while it is `held_up` by a rate all the same. Returns when there may be more.
  TimePoint end_overdue(TimePoint now, bool held_up);
  // Puts off what the rates of the site, of its provider (null: it has none) and of each queue will
  // not let through for a good while.
  void shed(Allowance& own, Allowance* provider, TimePoint now);
  // Puts off what waits, without an attempt, until about `wait` from now, in some disorder, so that
  // it does not all return in one instant; what has had its lifetime ends. All for this reason.
  void put_off_all(Milliseconds wait, message::Stage stage, const message::Status& reason,
                   const policy::ReplyRules& replies);
  // For what waits this was an attempt.
  void fail_all(message::Stage stage, const message::Status& status, const AttemptFacts& facts);
  // Gives back what waits, and loads nothing more.
  void close();

 private:
  // What comes at the end of its lifetime, or behind it, has so long for a last attempt.
  static constexpr Duration kLastTurn = Seconds(10);

  // Until when it may wait.
  [[nodiscard]] TimePoint end_of(const queue::Lease& lease) const;
  void end_late(queue::Lease lease);
  void load(queue::Lease lease);
  void loaded(queue::Lease lease, const Result<std::optional<smtp::TextFacts>>& text);
  void put_off_until(queue::Lease lease, TimePoint until, TimePoint now);
  std::vector<queue::Lease> take_all();

  Shared& shared_;
  event::Loop& loop_;
  const std::string site_;
  Backlog backlog_;
  std::deque<Parcel> loaded_;
  std::size_t loading_ = 0;
  UniqueFunction<void()> on_loaded_;
  bool closed_ = false;
  std::shared_ptr<bool> alive_;  // false once destroyed: for answers that come later
};

}  // namespace postrider::delivery
