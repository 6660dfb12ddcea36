// Channel: one place for a connection of a site. Dials the site's addresses in order until one is
// ready, the next beside one that does not answer, then carries one delivery after another over it
// until the connection ends; then the channel has ended too.
//
// Thread: loop-affine.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "queue/queue.h"
#include "relay/delivery/connection.h"
#include "relay/delivery/report.h"
#include "relay/delivery/shared.h"
#include "relay/delivery/targets.h"
#include "relay/event/timer.h"

namespace postrider::delivery {

class Channel;

// A delivery, and the addresses that turned it away in this attempt: it goes to none of them again.
struct Parcel {
  queue::Lease lease;
  std::vector<IpAddress> turned_away_by;

  [[nodiscard]] bool may_go_to(const Target& target) const {
    return std::ranges::find(turned_away_by, target.ip) == turned_away_by.end();
  }
};

// Under what terms a channel works. What it points to outlives the channel.
struct ChannelOptions {
  const Hop* hop = nullptr;
  const Source* source = nullptr;
  unsigned messages_max = 1;    // then it quits
  unsigned recipients_max = 1;  // of one transaction; a delivery with more takes several
};

// Told by a Channel, from the loop.
class ChannelOwner {
 public:
  virtual ~ChannelOwner() = default;
  // Whether an address has lately failed, so that it is tried last; and that it failed or worked
  // now.
  virtual bool is_avoided(const Target& target) = 0;
  virtual void note_target(const Target& target, bool works) = 0;
  virtual std::optional<tls::Session> session_for(const Target& target) = 0;
  virtual void keep_session(const Target& target, tls::Session session) = 0;
  // Ready for carry() (or quit()), now or later.
  virtual void on_idle(Channel& channel) = 0;
  virtual void on_carried(Channel& channel, Parcel parcel,
                          std::vector<smtp::RecipientResult> results, AttemptFacts facts) = 0;
  // The reused connection died before the delivery began, or takes no more messages: it may go
  // again at once, no attempt counted.
  virtual void on_untouched(Channel& channel, Parcel parcel) = 0;
  // The peer has closed a connection that was ready for more, after so many messages and `idle`
  // after the last reply.
  virtual void on_closed_by_peer(unsigned messages, Duration idle) = 0;
  // Over: `met` says what the last address, target(), met if none ever became ready, nullopt if one
  // did. The owner destroys the channel in this call.
  virtual void on_ended(Channel& channel, const std::optional<smtp::Ended>& met) = 0;
};

class Channel final : public ConnectionOwner {
 public:
  // `targets` is not empty. What is referred to outlives the channel; `options` may change.
  Channel(Shared& shared, event::Loop& loop, ChannelOwner& owner, const ChannelOptions& options,
          std::vector<Target> targets);
  // Cuts the connection; a lease that was being carried is given back, or, where some of its
  // recipients have had their answer already, concluded.
  ~Channel() override;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Starts dialing. May end the channel at once.
  void open();
  // Only while idle(); the lease's body is in memory. May end the channel.
  void carry(Parcel parcel);

  // Its host is not to be given more: it quits when the transaction in progress has ended. While it
  // is idle, quit() does.
  void retire() { retired_ = true; }

  // Ends an idle channel in order. May end it at once.
  void quit();

  [[nodiscard]] bool idle() const { return idle_; }

  // Being tried, or tried last.
  [[nodiscard]] const Target& target() const { return targets_[target_]; }

  // An address has answered.
  [[nodiscard]] bool ready() const { return ready_; }

  // Transactions so far.
  [[nodiscard]] unsigned carried() const;

  // It carries no more: its connection is quitting.
  [[nodiscard]] bool leaving() const { return leaving_; }

  // ConnectionOwner
  void on_connected(Connection& connection) override;
  void on_ready() override;
  void on_idle_timeout() override;
  void on_transaction_done(smtp::TransactionDone done) override;
  void on_ended(Connection& connection, const smtp::Ended& ended) override;

 private:
  // A connection that does not stand yet.
  struct Attempt {
    std::size_t target;
    std::unique_ptr<Connection> connection;
  };

  // While one address does not answer the next is tried beside it after so long (RFC 8305 section
  // 5), so that a family that leads nowhere costs a moment and not a timeout.
  static constexpr Duration kNextAttemptAfter = Milliseconds(250);

  // Each may end the channel.
  void dial(std::size_t target);
  void dial_next();
  // The next recipients of the parcel.
  void send_part();
  void conclude_parcel();
  // Those that are left have met what `status` says.
  void fill_results(const message::Status& status);
  void note_failure(const Target& target, const smtp::Ended& met);
  void give_up(std::size_t target, const smtp::Ended& met);
  void set_idle(bool idle);
  [[nodiscard]] AttemptFacts facts() const;
  [[nodiscard]] smtp::StartTlsUse start_tls_use() const;

  Shared& shared_;
  event::Loop& loop_;
  ChannelOwner& owner_;
  const ChannelOptions& options_;
  std::vector<Target> targets_;
  std::size_t target_ = 0;        // of connection_, or tried last
  std::deque<std::size_t> left_;  // targets to be tried, in order
  std::vector<Attempt> attempts_;
  event::Timer next_attempt_;
  bool plaintext_once_ = false;             // after a failed handshake, where the level allows it
  std::unique_ptr<Connection> connection_;  // the one that stands
  std::optional<Parcel> parcel_;            // being carried
  std::vector<smtp::RecipientResult> results_;  // of its first recipients
  TimePoint answered_at_{};                     // the last transaction
  bool ready_ = false;
  bool idle_ = false;
  bool leaving_ = false;
  bool retired_ = false;  // quits when the transaction has ended
};

}  // namespace postrider::delivery
