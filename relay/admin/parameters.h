// Parameters: those of a request, each at most once and each one of those allowed, and what they
// mean. Private to admin. Thread: pure functions and values.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "queue/queue.h"
#include "relay/admin/routes.h"
#include "relay/base/result.h"

namespace postrider::admin {

class Parameters {
 public:
  static Result<Parameters> read(const Request& request,
                                 std::initializer_list<std::string_view> allowed);

  // Null where it was not given.
  [[nodiscard]] const std::string* find(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

// Rows of an answer: kLimitDefault where nothing is said.
Result<std::size_t> limit_of(const Parameters& parameters);

// Where a page of messages starts; the first message where nothing is said.
Result<queue::MessageId> from_of(const Parameters& parameters);

// What the parameters id, domain, sender, tenant, campaign, older_than (seconds) and all select;
// nothing given selects nothing.
Result<queue::Selector> selector_of(const Parameters& parameters, WallTime now);

// What the parameters domain, tenant and campaign (or all), reason and for (seconds) say.
inline constexpr std::size_t kReasonMax = 200;  // octets
Result<queue::Suspension> suspension_of(const Parameters& parameters, WallTime now);

}  // namespace postrider::admin
