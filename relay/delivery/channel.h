// Channel: one place for a connection of a site, on the site's own loop (LocalChannel) or in the
// lane of another worker (Lanes). Whoever owns the site decides what it carries.
//
// Thread: loop-affine, to the loop of the site's owner.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/queue.h"
#include "relay/delivery/report.h"
#include "relay/delivery/routes.h"
#include "relay/delivery/sources.h"
#include "relay/delivery/targets.h"
#include "relay/delivery/tls_sessions.h"
#include "relay/policy/reply_rules.h"
#include "relay/smtp/client_session.h"

namespace postrider::delivery {

class Channel;

// A delivery, and the addresses that turned it away in this attempt: it goes to none of them again.
struct Parcel {
  queue::Lease lease;
  std::vector<IpAddress> turned_away_by;
  // Of a text that is read as it is sent, because it is too large to be held.
  std::optional<smtp::TextFacts> text{};

  [[nodiscard]] bool may_go_to(const Target& target) const {
    return std::ranges::find(turned_away_by, target.ip) == turned_away_by.end();
  }
};

// Under what terms a channel works. What it points to outlives the channel.
struct ChannelOptions {
  std::string site;
  const Hop* hop = nullptr;
  const Source* source = nullptr;
  const policy::ReplyRules* replies = nullptr;
  unsigned recipients_max = 1;  // of one transaction; a delivery with more takes several
  std::shared_ptr<TlsSessions> sessions{};
};

// What the replies to a delivery say about the site.
struct Carried {
  Duration rest{0};  // to be left alone for so long
  message::Stage rest_stage = message::Stage::kMail;
  message::Status rest_reason;
  bool slow_down = false;
  bool verdict = false;  // on the mail: one that refuses it shows as well that the site is there
};

// Told by a Channel, from the loop.
class ChannelOwner {
 public:
  virtual ~ChannelOwner() = default;
  // Ready for carry() (or quit()), now or later.
  virtual void on_idle(Channel& channel) = 0;
  // It quits: leaving() from now on.
  virtual void on_leaving(Channel& channel) = 0;
  // The delivery is concluded.
  virtual void on_carried(Channel& channel, const Carried& carried) = 0;
  // The host refuses all of it in a way that another host may not: the owner finds one, or
  // concludes the delivery.
  virtual void on_turned_away(Channel& channel, Parcel parcel,
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

class Channel {
 public:
  // Cuts the connection; a lease that was being carried is given back, or, where some of its
  // recipients have had their answer already, concluded.
  virtual ~Channel() = default;

  // Starts dialing. May end the channel at once.
  virtual void open() = 0;
  // Only while idle(); the lease's body is in memory, or the parcel has the facts of it. When the
  // connection has carried `messages_max` in all it quits. May end the channel.
  virtual void carry(Parcel parcel, unsigned messages_max) = 0;
  // Its host is not to be given more: it quits when the transaction in progress has ended. While it
  // is idle, quit() does.
  virtual void retire() = 0;
  // Ends an idle channel in order. May end it at once.
  virtual void quit() = 0;

  [[nodiscard]] virtual bool idle() const = 0;
  // Being tried, or tried last.
  [[nodiscard]] virtual const Target& target() const = 0;
  // An address has answered.
  [[nodiscard]] virtual bool ready() const = 0;
  // Transactions so far.
  [[nodiscard]] virtual unsigned carried() const = 0;
  // It carries no more: its connection is quitting.
  [[nodiscard]] virtual bool leaving() const = 0;
};

}  // namespace postrider::delivery
