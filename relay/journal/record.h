// Journal records: one JSON object per line and event, stable names. A consumer may rely on every
// field listed here; new fields may appear, none changes its meaning. Thread: pure functions.
//
//   time        RFC 3339 in UTC, milliseconds
//   event       accepted, delivered, deferred, bounced, expired or removed
//   id          queue id
//   sender      "" is the null sender
//   user, tenant, campaign, recipient
//   metadata    an object: header fields that the message brought, names in lower case
//   size        octets of the message's text
//   client      accepted: address of the submitting host
//   priority    MT-PRIORITY; 0 is left out
//   asked_priority  accepted: the one the client asked for, where that is another
//   release     accepted: when it may leave, where the client has set a time
//   site        the destination; host, ip: the peer's name and address; tls: version and cipher
//   source      our address towards it
//   reply       code, enhanced code and text: printable, one line
//   attempts    tries made for this recipient so far
//   delay       seconds since the message was accepted, in milliseconds' steps
//   next        time of the next attempt
//   report      id of the notification that this event caused
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "relay/base/clock.h"
#include "relay/message/envelope.h"
#include "relay/message/status.h"

namespace postrider::journal {

enum class Event { kAccepted, kDelivered, kDeferred, kBounced, kExpired, kRemoved };

std::string_view name_of(Event event);

// A view of one event; empty fields are left out of the line. Everything is valid for the call
// only.
struct Record {
  WallTime time;
  Event event = Event::kAccepted;
  std::string_view id;
  const message::Envelope* envelope = nullptr;
  std::string_view recipient;
  std::uint64_t size = 0;
  std::string_view client;            // accepted: address of the submitting host
  std::optional<int> asked_priority;  // accepted
  std::string_view site;
  std::string_view host;
  std::string_view ip;
  std::string_view tls;
  std::string_view source;
  const message::Status* status = nullptr;
  unsigned attempts = 0;
  std::optional<double> delay_seconds;
  std::optional<WallTime> next;
  std::string_view report;
};

// Appends the line, "\n" included. Whatever the fields hold, the line is valid JSON in UTF-8: bytes
// that are not well-formed UTF-8 become U+FFFD.
void append_line(std::string& out, const Record& record);

}  // namespace postrider::journal
