// Options of the submission side. Thread: immutable after start.
#pragma once

#include <string>
#include <vector>

#include "relay/base/ip.h"
#include "relay/policy/admission.h"
#include "relay/policy/login_guard.h"
#include "relay/smtp/server_session.h"

namespace postrider::submission {

struct ListenerOptions {
  Endpoint address;
  smtp::ListenerMode mode = smtp::ListenerMode::kSubmission;
  // PEM files; empty: those of [tls].
  std::string certificate;
  std::string key;
};

struct Options {
  std::vector<ListenerOptions> listeners;
  policy::AdmissionOptions admission;
  policy::LoginGuardOptions login_guard;
  // Mode and tls_available are set for each listener.
  smtp::ServerOptions session;
  // Where mail to the bare name <postmaster> goes (RFC 5321 section 4.5.1); empty: it is refused.
  std::string postmaster;
  // Fields of a header section, and its octets; beyond, 554 5.6.0.
  std::size_t header_fields_max = 1000;
  std::size_t header_size_max = 256U << 10;
  // Field names in which a message says its campaign and its tenant; removed. "": none.
  std::string campaign_header;
  std::string tenant_header;
  // Names of fields, or beginnings with '*' behind, that go to the journal; removed.
  std::vector<std::string> metadata_headers;
  // Whose messages are refused when no key signs them: authors, as patterns of policy/senders.h;
  // and tenants.
  std::vector<std::string> signature_authors;
  std::vector<std::string> signature_tenants;
  // Octets of message texts that all sessions together may hold in memory; beyond, 452 4.3.1.
  std::size_t bodies_in_flight_max = 512U << 20;
};

}  // namespace postrider::submission
