// Site: the deliveries bound for one set of MX hosts, and the connections that carry them. Owns the
// window, the health of the site's addresses and their TLS sessions. What is due waits here only in
// memory, as leases.
//
// Thread: loop-affine; one worker owns a site.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dns/resolver.h"
#include "queue/queue.h"
#include "relay/delivery/channel.h"
#include "relay/delivery/shared.h"
#include "relay/event/timer.h"
#include "relay/policy/window.h"

namespace postrider::delivery {

class Site final : public ChannelOwner {
 public:
  // `hop` outlives it.
  Site(Shared& shared, event::Loop& loop, std::string name, const Hop& hop);
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

  // ChannelOwner
  bool is_avoided(const Target& target) override;
  void note_target(const Target& target, bool works) override;
  std::optional<tls::Session> session_for(const Target& target) override;
  void keep_session(const Target& target, tls::Session session) override;
  void on_idle(Channel& channel) override;
  void on_carried(Channel& channel, Parcel parcel, std::vector<smtp::RecipientResult> results,
                  AttemptFacts facts) override;
  void on_untouched(Channel& channel, Parcel parcel) override;
  void on_ended(Channel& channel, const std::optional<smtp::Ended>& met) override;

 private:
  // Matches what waits with idle connections, and opens connections within the window.
  void pump();
  bool pump_once();
  bool carry_one();
  bool open_one(std::size_t allowed);
  void load(queue::Lease lease);
  // Hands the parcel on to another host in the same attempt, where that is what the results ask for
  // and there is one; false: it stays with the caller.
  bool hand_on(Channel& channel, Parcel& parcel, const std::vector<smtp::RecipientResult>& results);
  // Whether one more connection may be tried now; arms the timer if that is a matter of time.
  [[nodiscard]] bool may_dial(TimePoint now);
  [[nodiscard]] std::size_t staying() const;
  // One that is idle and whose host may be given the parcel.
  [[nodiscard]] Channel* idle_channel(const Parcel& parcel);
  [[nodiscard]] std::size_t dialing() const;
  std::deque<queue::Lease> take_all();
  void put_off_waiting();
  void fail_waiting(const smtp::Ended& met, const Target& target);

  // An address that failed is tried last for so long.
  static constexpr Duration kAvoidFor = Seconds(60);
  static constexpr std::size_t kRememberedMax = 64;
  // After a connection could not be made while others work, the next is tried so much later.
  static constexpr Duration kDialPause = Seconds(1);

  Shared& shared_;
  event::Loop& loop_;
  const std::string name_;
  const Hop& hop_;
  std::shared_ptr<const dns::Route> route_;
  std::vector<Target> targets_;  // of route_; never empty once there is one
  policy::Window window_;
  event::Timer redial_;
  TimePoint next_dial_{};             // max(): when the connections being tried have an outcome
  std::deque<queue::Lease> waiting_;  // in the order they came
  std::deque<Parcel> loaded_;         // their bodies are in memory; they go first
  std::size_t loading_ = 0;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::map<IpAddress, TimePoint> avoided_;
  std::map<std::string, tls::Session> sessions_;  // by host and address
  message::Status last_failure_;
  TimePoint active_at_;
  bool pumping_ = false;
  bool stopping_ = false;
  std::shared_ptr<bool> alive_;  // false once destroyed: for answers that come later
};

}  // namespace postrider::delivery
