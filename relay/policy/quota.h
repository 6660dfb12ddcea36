// Quota: how much a user may send, a minute and a day. A day is one of UTC. What was sent is known
// to this process alone: a restart begins anew.
//
// Thread: QuotaLedger any (one mutex).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "relay/base/clock.h"
#include "relay/base/guarded.h"
#include "relay/message/status.h"

namespace postrider::policy {

// 0: no limit.
struct SendingLimits {
  std::uint64_t messages_per_minute = 0;
  std::uint64_t messages_per_day = 0;
  std::uint64_t recipients_per_day = 0;
  std::uint64_t bytes_per_day = 0;
};

struct SentAmount {
  std::uint64_t messages = 0;
  std::uint64_t recipients = 0;
  std::uint64_t bytes = 0;
};

class QuotaLedger {
 public:
  struct Refusal {
    std::string_view reason;  // "rate" or "quota"; static storage
    message::Status status;   // 5xx where the amount alone is above the limit
  };

  // Whether the amount could be sent now.
  [[nodiscard]] std::optional<Refusal> look(std::string_view user, const SendingLimits& limits,
                                            const SentAmount& amount, WallTime now);
  // The same, and counts it if it can: exact, however many sessions a user has.
  [[nodiscard]] std::optional<Refusal> take(std::string_view user, const SendingLimits& limits,
                                            const SentAmount& amount, WallTime now);
  // What was taken was not sent after all.
  void give_back(std::string_view user, const SentAmount& amount, WallTime now);

 private:
  struct Account {
    std::int64_t day = 0;
    SentAmount sent;    // that day
    double minute = 0;  // messages of the last minute that still count
    WallTime minute_at{};
  };

  using Accounts = std::map<std::string, Account, std::less<>>;

  static Account& account(Accounts& accounts, std::string_view user, const SendingLimits& limits,
                          WallTime now);
  static std::optional<Refusal> refusal(const Account& account, const SendingLimits& limits,
                                        const SentAmount& amount);

  Guarded<Accounts> accounts_;  // one a user that sent; users are bounded by their file
};

}  // namespace postrider::policy
