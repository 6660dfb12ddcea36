// Cache: answers by question, until they expire or the least recently used have to go. The caller
// decides how long an answer may be kept. Thread: one caller at a time.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <unordered_map>

#include "dns/wire.h"
#include "relay/base/clock.h"

namespace postrider::dns {

class Cache {
 public:
  // An answer takes a place, and one more for each kPlaceOctets it is larger: so `places_max`
  // bounds memory too, whatever the answers hold.
  static constexpr std::size_t kPlaceOctets = 1024;

  explicit Cache(std::size_t places_max) : places_max_(places_max) {}

  // Null where there is none, or none that is still good.
  std::shared_ptr<const Answer> find(const Question& question, TimePoint now);
  // Replaces an earlier answer. One larger than the whole cache is not kept.
  void put(const Question& question, std::shared_ptr<const Answer> answer, TimePoint expires);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Question question;
    std::shared_ptr<const Answer> answer;
    TimePoint expires;
    std::size_t places;
  };

  using Entries = std::list<Entry>;

  void erase(Entries::iterator entry);

  std::size_t places_max_;
  std::size_t places_ = 0;
  Entries entries_;  // most recently used first
  std::unordered_map<Question, Entries::iterator, QuestionHash> by_question_;
};

}  // namespace postrider::dns
