#include "relay/delivery/lanes.h"

#include <optional>
#include <utility>

#include "relay/delivery/local_channel.h"

namespace postrider::delivery {

// How the halves of a channel find each other. Each half sets its own pointer to null as it goes,
// and only on its own loop is the pointer looked at.
struct Lanes::Link {
  Near* near = nullptr;
  Far* far = nullptr;
};

// The half on the site's loop: how the channel stands, as far as it has been told.
class Lanes::Near final : public Channel {
 public:
  Near(Lanes& lanes, event::Loop& home, ChannelOwner& owner, ChannelOptions options,
       std::vector<Target> targets)
      : lanes_(lanes),
        home_(home),
        owner_(owner),
        options_(std::move(options)),
        target_(targets.front()),
        targets_(std::move(targets)),
        link_(std::make_shared<Link>()) {
    link_->near = this;
  }

  ~Near() override;
  Near(const Near&) = delete;
  Near& operator=(const Near&) = delete;

  // Channel
  void open() override;
  void carry(Parcel parcel, unsigned messages_max) override;
  void retire() override;
  void quit() override;

  [[nodiscard]] bool idle() const override { return idle_; }

  [[nodiscard]] const Target& target() const override { return target_; }

  [[nodiscard]] bool ready() const override { return ready_; }

  [[nodiscard]] unsigned carried() const override { return carried_; }

  [[nodiscard]] bool leaving() const override { return leaving_; }

  // What the other half tells.
  void became_ready(Target target);
  void became_idle(unsigned carried);
  void left();
  void carried(const Carried& carried);
  void turned_away(Parcel parcel, std::vector<smtp::RecipientResult> results, AttemptFacts facts);
  void untouched(Parcel parcel);
  // The connection was ending when the parcel came.
  void came_too_late(Parcel parcel);
  void closed_by_peer(unsigned messages, Duration idle);
  // May destroy this.
  void ended(Target target, std::optional<smtp::Ended> met);

 private:
  struct End {
    std::optional<smtp::Ended> met;
  };

  // Runs `what` with the other half, on its loop; dropped where that has been cut off.
  template <class What>
  void tell(What what);

  Lanes& lanes_;
  event::Loop& home_;
  ChannelOwner& owner_;
  ChannelOptions options_;
  Target target_;
  std::vector<Target> targets_;
  const std::shared_ptr<Link> link_;
  bool ready_ = false;
  bool idle_ = false;
  bool leaving_ = false;
  bool retired_ = false;
  bool in_hand_ = false;    // a parcel is with the other half, or on its way
  std::optional<End> end_;  // came while in_hand_: the parcel that crossed it comes back first
  unsigned carried_ = 0;
};

// The half on the lane's loop, with the connection. It stays until the other half has gone, so that
// what comes too late is given back.
class Lanes::Far final : public ChannelOwner {
 public:
  Far(Lanes& lanes, std::shared_ptr<Link> link, event::Loop& home, ChannelOptions options,
      std::vector<Target> targets)
      : lanes_(lanes),
        home_(home),
        link_(std::move(link)),
        channel_(std::make_unique<LocalChannel>(lanes.shared_, lanes.loop_, *this,
                                                std::move(options), std::move(targets))) {
    link_->far = this;
  }

  ~Far() override { link_->far = nullptr; }

  Far(const Far&) = delete;
  Far& operator=(const Far&) = delete;

  void open() { channel_->open(); }

  void carry(Parcel parcel, unsigned messages_max);

  void retire() {
    if (channel_) channel_->retire();
  }

  void quit() {
    if (channel_ && channel_->idle()) channel_->quit();
  }

  // Destroys this.
  void drop() { lanes_.fars_.erase(this); }

  // ChannelOwner
  void on_idle(Channel& channel) override;
  void on_leaving(Channel& channel) override;
  void on_carried(Channel& channel, const Carried& carried) override;
  void on_turned_away(Channel& channel, Parcel parcel, std::vector<smtp::RecipientResult> results,
                      AttemptFacts facts) override;
  void on_untouched(Channel& channel, Parcel parcel) override;
  void on_closed_by_peer(unsigned messages, Duration idle) override;
  void on_ended(Channel& channel, const std::optional<smtp::Ended>& met) override;

 private:
  template <class What>
  void tell(What what);

  Lanes& lanes_;
  event::Loop& home_;
  const std::shared_ptr<Link> link_;
  std::unique_ptr<LocalChannel> channel_;  // null when it has ended
  bool told_ready_ = false;
};

// --- near

template <class What>
void Lanes::Near::tell(What what) {
  lanes_.loop_.post([link = link_, what = std::move(what)]() mutable {
    if (link->far != nullptr) what(*link->far);
  });
}

Lanes::Near::~Near() {
  link_->near = nullptr;
  tell([](Far& far) { far.drop(); });
}

void Lanes::Near::open() {
  lanes_.loop_.post([&lanes = lanes_, link = link_, &home = home_, options = std::move(options_),
                     targets = std::move(targets_)]() mutable {
    lanes.start(link, home, std::move(options), std::move(targets));
  });
}

void Lanes::Near::carry(Parcel parcel, unsigned messages_max) {
  idle_ = false;
  in_hand_ = true;
  tell([parcel = std::move(parcel), messages_max](Far& far) mutable {
    far.carry(std::move(parcel), messages_max);
  });
}

void Lanes::Near::retire() {
  retired_ = true;
  tell([](Far& far) { far.retire(); });
}

void Lanes::Near::quit() {
  idle_ = false;
  leaving_ = true;
  tell([](Far& far) { far.quit(); });
}

void Lanes::Near::became_ready(Target target) {
  ready_ = true;
  target_ = std::move(target);
}

void Lanes::Near::became_idle(unsigned carried) {
  carried_ = carried;
  if (retired_) return quit();  // the two have crossed
  idle_ = true;
  owner_.on_idle(*this);
}

void Lanes::Near::left() {
  idle_ = false;
  leaving_ = true;
}

void Lanes::Near::carried(const Carried& carried) {
  in_hand_ = false;
  owner_.on_carried(*this, carried);
}

void Lanes::Near::turned_away(Parcel parcel, std::vector<smtp::RecipientResult> results,
                              AttemptFacts facts) {
  in_hand_ = false;
  owner_.on_turned_away(*this, std::move(parcel), std::move(results), std::move(facts));
}

void Lanes::Near::untouched(Parcel parcel) {
  in_hand_ = false;
  owner_.on_untouched(*this, std::move(parcel));
}

void Lanes::Near::came_too_late(Parcel parcel) {
  in_hand_ = false;
  owner_.on_untouched(*this, std::move(parcel));
  if (const auto end = std::exchange(end_, std::nullopt)) owner_.on_ended(*this, end->met);
}

void Lanes::Near::closed_by_peer(unsigned messages, Duration idle) {
  owner_.on_closed_by_peer(messages, idle);
}

void Lanes::Near::ended(Target target, std::optional<smtp::Ended> met) {
  target_ = std::move(target);
  idle_ = false;
  if (in_hand_) {
    end_ = End{std::move(met)};
  } else {
    owner_.on_ended(*this, met);
  }
}

// --- far

template <class What>
void Lanes::Far::tell(What what) {
  home_.post([link = link_, what = std::move(what)]() mutable {
    if (link->near != nullptr) what(*link->near);
  });
}

void Lanes::Far::carry(Parcel parcel, unsigned messages_max) {
  if (channel_ && channel_->idle()) {
    lanes_.shared_.meters.lane_deliveries.add();
    return channel_->carry(std::move(parcel), messages_max);
  }
  tell([parcel = std::move(parcel)](Near& near) mutable { near.came_too_late(std::move(parcel)); });
}

void Lanes::Far::on_idle(Channel& channel) {
  if (!std::exchange(told_ready_, true)) {
    tell([target = channel.target()](Near& near) mutable { near.became_ready(std::move(target)); });
  }
  tell([carried = channel.carried()](Near& near) { near.became_idle(carried); });
}

void Lanes::Far::on_leaving(Channel&) {
  tell([](Near& near) { near.left(); });
}

void Lanes::Far::on_carried(Channel&, const Carried& carried) {
  tell([carried](Near& near) { near.carried(carried); });
}

void Lanes::Far::on_turned_away(Channel&, Parcel parcel, std::vector<smtp::RecipientResult> results,
                                AttemptFacts facts) {
  tell([parcel = std::move(parcel), results = std::move(results),
        facts = std::move(facts)](Near& near) mutable {
    near.turned_away(std::move(parcel), std::move(results), std::move(facts));
  });
}

void Lanes::Far::on_untouched(Channel&, Parcel parcel) {
  tell([parcel = std::move(parcel)](Near& near) mutable { near.untouched(std::move(parcel)); });
}

void Lanes::Far::on_closed_by_peer(unsigned messages, Duration idle) {
  tell([messages, idle](Near& near) { near.closed_by_peer(messages, idle); });
}

void Lanes::Far::on_ended(Channel& channel, const std::optional<smtp::Ended>& met) {
  tell([target = channel.target(), met = std::optional(met)](Near& near) mutable {
    near.ended(std::move(target), std::move(met));
  });
  channel_.reset();
}

// --- lanes

Lanes::Lanes(Shared& shared, event::Loop& loop) : shared_(shared), loop_(loop) {}

Lanes::~Lanes() = default;

std::unique_ptr<Channel> Lanes::make_channel(event::Loop& home, ChannelOwner& owner,
                                             ChannelOptions options, std::vector<Target> targets) {
  return std::make_unique<Near>(*this, home, owner, std::move(options), std::move(targets));
}

void Lanes::start(const std::shared_ptr<Link>& link, event::Loop& home, ChannelOptions options,
                  std::vector<Target> targets) {
  if (cut_) return;
  auto made = std::make_unique<Far>(*this, link, home, std::move(options), std::move(targets));
  Far& far = *made;
  fars_.emplace(&far, std::move(made));
  far.open();
}

void Lanes::cut_off() {
  cut_ = true;
  fars_.clear();
}

}  // namespace postrider::delivery
