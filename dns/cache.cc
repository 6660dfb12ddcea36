#include "dns/cache.h"

#include <utility>

namespace postrider::dns {

namespace {

std::size_t places_of(const Question& question, const Answer& answer) {
  std::size_t octets = question.name.size() + answer.addresses.size() * sizeof(IpAddress);
  for (const MxRecord& record : answer.mx) octets += sizeof(MxRecord) + record.host.size();
  return 1 + octets / Cache::kPlaceOctets;
}

}  // namespace

std::shared_ptr<const Answer> Cache::find(const Question& question, TimePoint now) {
  const auto found = by_question_.find(question);
  if (found == by_question_.end()) return nullptr;
  const Entries::iterator entry = found->second;
  if (entry->expires <= now) {
    erase(entry);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->answer;
}

void Cache::put(const Question& question, std::shared_ptr<const Answer> answer, TimePoint expires) {
  if (const auto found = by_question_.find(question); found != by_question_.end()) {
    erase(found->second);
  }
  const std::size_t places = places_of(question, *answer);
  if (places > places_max_) return;
  while (places_ + places > places_max_) erase(std::prev(entries_.end()));
  entries_.push_front(Entry{question, std::move(answer), expires, places});
  by_question_.emplace(question, entries_.begin());
  places_ += places;
}

void Cache::erase(Entries::iterator entry) {
  places_ -= entry->places;
  by_question_.erase(entry->question);
  entries_.erase(entry);
}

}  // namespace postrider::dns
