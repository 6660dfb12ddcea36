#include "queue/selection.h"

#include <algorithm>

#include "queue/low_water.h"

namespace postrider::queue {

Selection::Selection(Store& store, const Selector& selector, MessageId from)
    : store_(store),
      selector_(selector),
      from_(selector.id ? std::max(*selector.id, from) : from),
      first_seen_(LowWater::highest()) {}

// What is asked of a delivery is met.
bool Selection::selects(const DeliveryRecord& record) const {
  if (!selector_.domain.empty() && record.domain != selector_.domain) return false;
  return !selector_.due_after || (record.due > *selector_.due_after && record.due != kHeld);
}

// Adds the message itself, if there is still need of it; whether all of the selector is met.
Result<bool> Selection::complete(FoundMessage& found) {
  const bool any = std::any_of(found.deliveries.begin(), found.deliveries.end(),
                               [](const FoundDelivery& delivery) { return delivery.matches; });
  if (!any) return false;
  const std::string key = message_key(found.message.id);
  const auto stored = store_.get(key);
  if (!stored && is_damage(stored.error())) return false;
  if (!stored) return failure(stored.error());
  if (!*stored) return false;  // ended meanwhile
  auto message = decode_message(key, (*stored)->view());
  if (!message) return false;
  found.message = std::move(*message);
  const message::Envelope& envelope = found.message.envelope;
  if (!selector_.tenant.empty() && envelope.tenant != selector_.tenant) return false;
  if (!selector_.campaign.empty() && envelope.campaign != selector_.campaign) return false;
  if (selector_.arrived_before && found.message.arrived >= *selector_.arrived_before) return false;
  return selector_.sender.empty() || envelope.sender.to_string() == selector_.sender;
}

Result<std::vector<FoundMessage>> Selection::next(std::size_t matches_max, std::size_t looks_max) {
  std::vector<FoundMessage> matches;
  const std::string lower = delivery_key({from_, 0});
  const std::string upper = selector_.id
                                ? after_prefix(delivery_key({*selector_.id, 0}).substr(0, 17))
                                : after_prefix(std::string(1, space::kDelivery));
  const auto cursor = store_.scan(lower, upper);
  std::size_t looks = 0;
  FoundMessage at_hand;
  while (cursor->valid() && matches.size() < matches_max && looks < looks_max) {
    const auto id = decode_id(cursor->key());
    if (!id) break;
    at_hand = {};
    at_hand.message.id = *id;
    first_seen_ = std::min(first_seen_, *id);
    for (; cursor->valid() && decode_id(cursor->key()) == id; cursor->next(), ++looks) {
      const auto delivery = decode_delivery_key(cursor->key());
      auto record = decode_delivery(cursor->key(), cursor->value());
      if (!delivery || !record) continue;
      const bool selected = selects(*record);
      at_hand.deliveries.push_back({delivery->number, std::move(*record), selected});
    }
    const auto complete_match = complete(at_hand);
    if (!complete_match) return failure(complete_match.error());
    if (*complete_match) matches.push_back(std::move(at_hand));
    from_ = {id->high, id->low + 1};
    if (from_.low == 0) ++from_.high;
  }
  if (auto status = cursor->status(); !status) return failure(status.error());
  ended_ = !cursor->valid();
  return matches;
}

}  // namespace postrider::queue
