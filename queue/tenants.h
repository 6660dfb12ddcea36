// Tenants: what each tenant has in the queue: admitted (on disk or on its way there), which the
// limits apply to, and committed, which is what its record on disk says. An entry exists only for
// a tenant that has something here, so memory follows what is queued, and a start reads one record
// a tenant. Mail without a tenant belongs to the tenant "". Thread: none of its own; whoever calls
// holds the one lock around it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "queue/queue.h"
#include "queue/record.h"

namespace postrider::queue {

// How a batch changes what a tenant has on disk.
struct TenantChange {
  std::int64_t messages = 0;
  std::int64_t bytes = 0;
};

class Tenants {
 public:
  struct Limits {
    std::uint64_t messages_max = 0;
    std::uint64_t bytes_max = 0;
  };

  explicit Tenants(Limits limits) : limits_(limits) {}

  // What is on disk at the start.
  void load(std::string_view tenant, const TenantRecord& record);

  // Takes the share of one message, or says which limit stands against it.
  Refusal admit(std::string_view tenant, std::uint64_t size);
  // Takes it whatever the limits say: a report is owed.
  void take_in(std::string_view tenant, std::uint64_t size);
  // The message has ended, or never came to be.
  void take_back(std::string_view tenant, std::uint64_t size);

  // What the record on disk will be after `change`; nothing at all if it is empty.
  [[nodiscard]] TenantRecord committed(std::string_view tenant,
                                       const TenantChange& change = {}) const;
  void commit(std::string_view tenant, const TenantChange& change);

  [[nodiscard]] TenantRecord admitted(std::string_view tenant) const;

  [[nodiscard]] std::size_t size() const { return all_.size(); }

 private:
  struct Use {
    TenantRecord admitted;
    TenantRecord committed;
  };

  struct TextHash {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the library asks for it

    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  Use& use(std::string_view tenant);
  void forget_if_empty(std::string_view tenant);

  Limits limits_;
  std::unordered_map<std::string, Use, TextHash, std::equal_to<>> all_;
};

}  // namespace postrider::queue
