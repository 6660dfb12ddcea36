// Site: the deliveries bound for one set of MX hosts from one source, and the connections that
// carry them. Owns the window, the limits and the TLS sessions. What is due waits in its
// WaitingRoom; the site says when some of it may go, and over which connection.
//
// Thread: loop-affine; one worker owns a site.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dns/resolver.h"
#include "queue/queue.h"
#include "relay/delivery/allowance.h"
#include "relay/delivery/channel.h"
#include "relay/delivery/lanes.h"
#include "relay/delivery/shared.h"
#include "relay/delivery/waiting_room.h"
#include "relay/event/timer.h"
#include "relay/policy/connection_cap.h"
#include "relay/policy/window.h"

namespace postrider::delivery {

struct SiteOfSource {
  std::string name;  // of the site
  const Hop* hop = nullptr;
  const Source* source = nullptr;
  policy::Limits limits;
  const policy::ReplyRules* replies = nullptr;  // what its replies mean
  std::shared_ptr<Allowance> provider{};        // what it shares with other sites; null: nothing
  std::vector<Lanes*> lanes{};                  // of the other workers; may be empty
};

// How a site stands, for one source.
struct SiteState {
  std::size_t connections = 0;
  std::size_t idle = 0;
  std::size_t window = 0;  // connections it may have now
  std::size_t waiting = 0;
  unsigned messages_max = 0;   // of a connection, as learned from silent closes; 0: nothing learned
  Milliseconds closed_for{0};  // until the site, found dead, is probed again
  Milliseconds send_in{0};     // until a rate lets the next message go
  std::size_t held_at = 0;     // connections beyond which there was trouble; 0: none was
};

class Site final : public ChannelOwner, public Sharer {
 public:
  // What `what` points to outlives it.
  Site(Shared& shared, event::Loop& loop, SiteOfSource what);
  ~Site() override;
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  // Takes deliveries whose domain has `route`, which leads to this site.
  void accept(const std::shared_ptr<const dns::Route>& route, std::vector<queue::Lease> leases);
  // No new work: what waits is given back, idle connections quit, what is being carried goes on.
  void shut_down();

  // Nothing waits and nothing is open.
  [[nodiscard]] bool quiet() const;

  // Since when; meaningful while quiet().
  [[nodiscard]] TimePoint quiet_since() const { return active_at_; }

  [[nodiscard]] SiteState state() const;

  // Neither its limits nor its window remember anything that must not be forgotten.
  [[nodiscard]] bool is_fresh(TimePoint now) const {
    return own_.is_fresh(now) && !window_.is_resting(now);
  }

  // ChannelOwner
  void on_idle(Channel& channel) override;

  void on_leaving(Channel&) override {}

  void on_carried(Channel& channel, const Carried& carried) override;
  void on_turned_away(Channel& channel, Parcel parcel, std::vector<smtp::RecipientResult> results,
                      AttemptFacts facts) override;
  void on_untouched(Channel& channel, Parcel parcel) override;
  void on_closed_by_peer(unsigned messages, Duration idle) override;
  void on_ended(Channel& channel, const std::optional<smtp::Ended>& met) override;

  // Sharer
  void on_place() override;
  bool give_way() override;

 private:
  // Matches what waits with idle connections, and opens connections within the window.
  void pump();
  bool pump_once();
  bool carry_one();
  bool load_one(TimePoint now);
  bool open_one(std::size_t allowed, TimePoint now);
  std::unique_ptr<Channel> make_channel(std::vector<Target> targets);
  [[nodiscard]] unsigned messages_max(TimePoint now);
  // Whether `at` has come; arms the timer if not.
  bool has_come(TimePoint at, TimePoint now);
  // As a reply, last_failure_, asked for it: nothing more is sent for a while, and no connection
  // kept.
  void rest(Duration time);
  // Whether one more connection may be tried now; if not, what that depends on brings pump().
  [[nodiscard]] bool may_dial(TimePoint now);
  [[nodiscard]] TimePoint send_at() const;
  void connection_gone();
  [[nodiscard]] std::size_t staying() const;
  // One that is idle; null: none is.
  [[nodiscard]] Channel* idle_channel() const;
  // One that is idle and whose host may be given the parcel.
  [[nodiscard]] Channel* idle_channel(const Parcel& parcel);
  [[nodiscard]] std::size_t dialing() const;

  // Of those staying, the ones whose host has greeted us.
  [[nodiscard]] std::size_t standing() const { return staying() - dialing(); }

  void put_off_waiting();
  void fail_waiting(const smtp::Ended& met, const Target& target);

  // So many connections stay with their owner; of more, the other workers have their part.
  static constexpr std::size_t kHomeConnections = 4;
  // After a connection could not be made while others work, the next is tried so much later.
  static constexpr Duration kDialPause = Seconds(1);

  Shared& shared_;
  event::Loop& loop_;
  const std::string name_;
  const Hop& hop_;
  const Source& source_;
  const policy::ReplyRules& replies_;
  const policy::Limits limits_;
  const policy::WindowOptions window_options_;
  const ChannelOptions channel_options_;
  Allowance own_;
  std::shared_ptr<Allowance> provider_;
  const std::vector<Lanes*> lanes_;
  std::size_t next_lane_ = 0;  // of lanes_, and its own loop behind them
  std::shared_ptr<const dns::Route> route_;
  std::vector<Target> targets_;  // of route_; never empty once there is one
  policy::Window window_;
  policy::ConnectionCap cap_;
  event::Timer wake_;
  TimePoint wake_at_ = TimePoint::max();
  TimePoint next_dial_{};  // max(): when the connections being tried have an outcome
  WaitingRoom waiting_;
  bool wants_place_ = false;
  std::vector<std::unique_ptr<Channel>> channels_;
  message::Stage last_stage_ = message::Stage::kConnect;  // where last_failure_ was met
  message::Status last_failure_;
  TimePoint active_at_;
  bool pumping_ = false;
  bool stopping_ = false;
};

}  // namespace postrider::delivery
