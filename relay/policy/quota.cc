#include "relay/policy/quota.h"

#include <algorithm>
#include <cmath>

namespace postrider::policy {

namespace {

std::int64_t day_of(WallTime now) {
  return std::chrono::floor<std::chrono::days>(now).time_since_epoch().count();
}

bool is_limited(const SendingLimits& limits) {
  return (limits.messages_per_minute | limits.messages_per_day | limits.recipients_per_day |
          limits.bytes_per_day) != 0;
}

// What has been counted, a limit, and what comes now.
struct Daily {
  std::uint64_t sent;
  std::uint64_t limit;
  std::uint64_t more;
  std::string_view what;
};

std::optional<QuotaLedger::Refusal> daily_refusal(const Daily& daily) {
  if (daily.limit == 0) return std::nullopt;
  const std::string text =
      "limit of " + std::to_string(daily.limit) + " " + std::string(daily.what) + " a day";
  if (daily.more > daily.limit) {
    return QuotaLedger::Refusal{"quota",
                                {550, {5, 7, 1}, "More than the " + text + " of this user"}};
  }
  if (daily.sent <= daily.limit - daily.more) return std::nullopt;
  return QuotaLedger::Refusal{
      "quota",
      {450, {4, 7, 1}, "The " + text + " of this user is reached; try again after 00:00 UTC"}};
}

}  // namespace

// As of now: what a minute and a day forget is forgotten.
QuotaLedger::Account& QuotaLedger::account(Accounts& accounts, std::string_view user,
                                           const SendingLimits& limits, WallTime now) {
  const auto found = accounts.find(user);
  Account& account =
      found != accounts.end() ? found->second : accounts.emplace(user, Account()).first->second;
  if (account.day != day_of(now)) {
    account.day = day_of(now);
    account.sent = {};
  }
  const double minutes =
      std::max(0.0, std::chrono::duration<double, std::ratio<60>>(now - account.minute_at).count());
  const auto rate = static_cast<double>(limits.messages_per_minute);
  account.minute = std::max(0.0, account.minute - std::min(minutes, 1.0) * rate);
  account.minute_at = now;
  return account;
}

std::optional<QuotaLedger::Refusal> QuotaLedger::refusal(const Account& account,
                                                         const SendingLimits& limits,
                                                         const SentAmount& amount) {
  const Daily all[] = {
      {account.sent.messages, limits.messages_per_day, amount.messages, "messages"},
      {account.sent.recipients, limits.recipients_per_day, amount.recipients, "recipients"},
      {account.sent.bytes, limits.bytes_per_day, amount.bytes, "octets"}};
  for (const Daily& daily : all) {
    if (auto refused = daily_refusal(daily)) return refused;
  }
  const auto rate = static_cast<double>(limits.messages_per_minute);
  const double after = account.minute + static_cast<double>(amount.messages);
  // A hair above is the rounding of what a minute forgets.
  if (rate == 0 || amount.messages == 0 || after <= rate + 1e-6) return std::nullopt;
  const auto seconds = static_cast<std::uint64_t>(std::ceil((after - rate) / rate * 60));
  return Refusal{"rate",
                 {450,
                  {4, 7, 1},
                  "The limit of " + std::to_string(limits.messages_per_minute) +
                      " messages a minute of this user is reached; try again in " +
                      std::to_string(seconds) + " s"}};
}

std::optional<QuotaLedger::Refusal> QuotaLedger::look(std::string_view user,
                                                      const SendingLimits& limits,
                                                      const SentAmount& amount, WallTime now) {
  if (!is_limited(limits)) return std::nullopt;
  auto accounts = accounts_.lock();
  return refusal(account(*accounts, user, limits, now), limits, amount);
}

std::optional<QuotaLedger::Refusal> QuotaLedger::take(std::string_view user,
                                                      const SendingLimits& limits,
                                                      const SentAmount& amount, WallTime now) {
  if (!is_limited(limits)) return std::nullopt;
  auto accounts = accounts_.lock();
  Account& counted = account(*accounts, user, limits, now);
  if (auto refused = refusal(counted, limits, amount)) return refused;
  counted.sent.messages += amount.messages;
  counted.sent.recipients += amount.recipients;
  counted.sent.bytes += amount.bytes;
  counted.minute += static_cast<double>(amount.messages);
  return std::nullopt;
}

void QuotaLedger::give_back(std::string_view user, const SentAmount& amount, WallTime now) {
  auto accounts = accounts_.lock();
  const auto found = accounts->find(user);
  if (found == accounts->end()) return;
  Account& counted = found->second;
  counted.minute = std::max(0.0, counted.minute - static_cast<double>(amount.messages));
  if (counted.day != day_of(now)) return;
  counted.sent.messages -= std::min(counted.sent.messages, amount.messages);
  counted.sent.recipients -= std::min(counted.sent.recipients, amount.recipients);
  counted.sent.bytes -= std::min(counted.sent.bytes, amount.bytes);
}

}  // namespace postrider::policy
