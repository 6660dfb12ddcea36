// LocalChannel: a channel on the loop of its owner. Dials the site's addresses in order until one
// is ready, the next beside one that does not answer, then carries one delivery after another over
// it until the connection ends; then the channel has ended too.
//
// Thread: loop-affine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "relay/delivery/channel.h"
#include "relay/delivery/connection.h"
#include "relay/delivery/shared.h"
#include "relay/event/timer.h"

namespace postrider::delivery {

class LocalChannel final : public Channel, public ConnectionOwner {
 public:
  // `targets` is not empty. What is referred to outlives the channel.
  LocalChannel(Shared& shared, event::Loop& loop, ChannelOwner& owner, ChannelOptions options,
               std::vector<Target> targets);
  ~LocalChannel() override;
  LocalChannel(const LocalChannel&) = delete;
  LocalChannel& operator=(const LocalChannel&) = delete;

  // Channel
  void open() override;
  void carry(Parcel parcel, unsigned messages_max) override;

  void retire() override { retired_ = true; }

  void quit() override;

  [[nodiscard]] bool idle() const override { return idle_; }

  [[nodiscard]] const Target& target() const override { return targets_[target_]; }

  [[nodiscard]] bool ready() const override { return ready_; }

  [[nodiscard]] unsigned carried() const override;

  [[nodiscard]] bool leaving() const override { return leaving_; }

  // ConnectionOwner
  void on_connected(Connection& connection) override;
  void on_ready() override;
  void on_idle_timeout() override;
  void on_text_wanted() override;
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
  // The piece of the text that was read for the connection.
  void pass_on(const Result<message::Body>& piece);
  void conclude_parcel();
  // Those that are left have met what `status` says.
  void fill_results(const message::Status& status);
  void note_failure(const Target& target, const smtp::Ended& met);
  void note_health(const Target& target, bool works);
  void give_up(std::size_t target, const smtp::Ended& met);
  void set_idle(bool idle);
  [[nodiscard]] AttemptFacts facts() const;
  [[nodiscard]] Endpoint endpoint_of(const Target& target) const;
  [[nodiscard]] smtp::StartTlsUse start_tls_use(const Target& target) const;

  Shared& shared_;
  event::Loop& loop_;
  ChannelOwner& owner_;
  const ChannelOptions options_;
  unsigned messages_max_ = 1;
  std::vector<Target> targets_;
  std::size_t target_ = 0;        // of connection_, or tried last
  std::deque<std::size_t> left_;  // targets to be tried, in order
  std::vector<Attempt> attempts_;
  event::Timer next_attempt_;
  bool plaintext_once_ = false;             // after a failed handshake, where the level allows it
  std::unique_ptr<Connection> connection_;  // the one that stands
  std::optional<Parcel> parcel_;            // being carried
  std::vector<smtp::RecipientResult> results_;  // of its first recipients
  std::uint32_t next_piece_ = 0;                // of its text
  TimePoint answered_at_{};                     // the last transaction
  bool ready_ = false;
  bool idle_ = false;
  bool leaving_ = false;
  bool retired_ = false;  // quits when the transaction has ended
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for answers that come later
};

}  // namespace postrider::delivery
