// Reply rules: what a provider's own replies mean where that differs from the general policy
// (failure.h): the first rule that fits decides, before the general policy. Pure. Thread:
// immutable.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/result.h"
#include "relay/message/status.h"
#include "relay/policy/failure.h"

namespace postrider::policy {

// What becomes of the mail and of the site, in one word.
enum class Then { kRetry, kBounce, kSlow, kNextHost, kRest };

std::string_view name_of(Then then);
Judgement judgement_of(Then then);
// nullopt: delivered.
std::optional<Then> then_of(const Judgement& judgement);

struct ReplyRule {
  std::string code;  // "421", "4xx", "5xx"
  std::string text;  // part of the reply, its lines joined, in whatever case; "": any
  Then then = Then::kRetry;
  // With kRest: the site is left alone for so long.
  Duration rest = std::chrono::minutes(30);
};

// "421", "4xx", "5xx".
Result<void> check_reply_code(std::string_view text);

class ReplyRules {
 public:
  explicit ReplyRules(std::vector<ReplyRule> rules = {});

  struct Decision {
    Judgement judgement;
    std::optional<std::size_t> rule;  // by place; nullopt: the general policy
    Duration rest{0};                 // with SiteEffect::kRest
  };

  [[nodiscard]] Decision judge(message::Stage stage, const message::Status& status) const;
  // Whether the rule fits, whatever stands before it.
  [[nodiscard]] bool fits(std::size_t rule, const message::Status& status) const;

  [[nodiscard]] std::size_t size() const { return rules_.size(); }

 private:
  std::vector<ReplyRule> rules_;  // texts in lower case
};

// A reply that a provider gives, and what must become of it: "slow: 421 4.7.0 too many", "retry at
// greeting: 421 4.3.2 not now"; without a stage it is the reply to the end of data.
struct ReplySample {
  Then then = Then::kRetry;
  message::Stage stage = message::Stage::kEndOfData;
  message::Status status;
};

Result<ReplySample> parse_reply_sample(std::string_view text);

}  // namespace postrider::policy
