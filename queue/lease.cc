// Lease and the way into it, LeaseParts.
#include <utility>

#include "queue/core.h"

namespace postrider::queue {

Lease LeaseParts::make(Core& core, std::shared_ptr<const Message> message, std::uint32_t number,
                       DeliveryRecord record) {
  Lease lease;
  lease.core_ = &core;
  lease.message_ = std::move(message);
  lease.number_ = number;
  lease.attempts_ = record.attempts;
  lease.delay_reported_ = record.delay_reported;
  lease.due_ = record.due;
  lease.domain_ = std::move(record.domain);
  lease.recipients_ = std::move(record.recipients);
  lease.last_status_ = std::move(record.last_status);
  return lease;
}

DeliveryRecord LeaseParts::take_record(Lease& lease) {
  DeliveryRecord record;
  record.domain = std::move(lease.domain_);
  record.recipients = std::move(lease.recipients_);
  record.attempts = lease.attempts_;
  record.delay_reported = lease.delay_reported_;
  record.due = lease.due_;
  record.last_status = std::move(lease.last_status_);
  return record;
}

Lease::Lease(Lease&& other) noexcept
    : core_(std::exchange(other.core_, nullptr)),
      message_(std::move(other.message_)),
      number_(other.number_),
      attempts_(other.attempts_),
      delay_reported_(other.delay_reported_),
      due_(other.due_),
      domain_(std::move(other.domain_)),
      recipients_(std::move(other.recipients_)),
      last_status_(std::move(other.last_status_)),
      body_(std::move(other.body_)) {}

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  if (core_ != nullptr) core_->give_back(LeaseParts::key(*this));
  core_ = std::exchange(other.core_, nullptr);
  message_ = std::move(other.message_);
  number_ = other.number_;
  attempts_ = other.attempts_;
  delay_reported_ = other.delay_reported_;
  due_ = other.due_;
  domain_ = std::move(other.domain_);
  recipients_ = std::move(other.recipients_);
  last_status_ = std::move(other.last_status_);
  body_ = std::move(other.body_);
  return *this;
}

Lease::~Lease() {
  if (core_ != nullptr) core_->give_back(LeaseParts::key(*this));
}

}  // namespace postrider::queue
