// Counts the members of Options structs, so that a test can tell when one has no row in the option
// table. Thread: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "relay/config/option_table.h"

namespace postrider::config {

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

// Converts to whatever a member is. Never run: only its type is asked about.
struct AnyMember {
  template <class T>
  requires(!kIsOptional<T>) operator T() const;  // NOLINT(google-explicit-constructor)
};

template <class T, std::size_t... Index>
constexpr bool takes(std::index_sequence<Index...> /*count*/) {
  return requires {
    T{(static_cast<void>(Index), AnyMember{})...};
  };
}

// How many members the aggregate T has: as many initialisers as it takes.
template <class T, std::size_t Count = 40>
constexpr std::size_t member_count() {
  static_assert(Count > 0);
  if constexpr (takes<T>(std::make_index_sequence<Count>())) {
    return Count;
  } else {
    return member_count<T, Count - 1>();
  }
}

// A member that is a struct with rows of its own.
struct Nested {
  const void* address;
  std::size_t size;

  [[nodiscard]] bool holds(const void* other) const {
    const auto begin = reinterpret_cast<std::uintptr_t>(address);
    const auto at = reinterpret_cast<std::uintptr_t>(other);
    return at >= begin && at < begin + size;
  }
};

template <class T>
Nested nested(const T& member) {
  return {&member, sizeof member};
}

inline const void* address_of(const Option& option, const Record& record) {
  return std::visit([](const auto* slot) -> const void* { return slot; }, option.slot(record));
}

// Whether a row of the table can be asked about `record`: rows of entries need theirs.
inline bool applies(const Option& option, const Record& record) {
  if (option.section == "listener") return record.listener != nullptr;
  if (option.section == "user") return record.user != nullptr;
  if (option.section == "route") return record.route != nullptr;
  if (option.section == "dkim") return record.dkim != nullptr;
  if (option.section == "provider") return record.provider != nullptr;
  if (option.section == "reply") return record.reply != nullptr;
  if (option.section == "site") return record.site != nullptr;
  if (option.section == "source") return record.source != nullptr;
  return record.config != nullptr;
}

// Members of `object` that have neither a row, nor rows in what they hold, nor an excuse.
template <class T>
std::ptrdiff_t members_without_row(const T& object, const Record& record,
                                   const std::vector<Nested>& parts = {},
                                   const std::vector<std::string>& excused = {}) {
  std::size_t rows = 0;
  for (const Option& option : options()) {
    if (!applies(option, record)) continue;
    const void* slot = address_of(option, record);
    bool in_part = false;
    for (const Nested& part : parts) in_part = in_part || part.holds(slot);
    if (nested(object).holds(slot) && !in_part) ++rows;
  }
  return static_cast<std::ptrdiff_t>(member_count<T>()) -
         static_cast<std::ptrdiff_t>(rows + parts.size() + excused.size());
}

}  // namespace postrider::config
