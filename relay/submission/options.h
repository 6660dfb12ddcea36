// Options of the submission side. Thread: immutable after start.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
  // Of the socket that a service manager passes to us instead of `address` being bound; empty: the
  // one bound to `address`, if there is one.
  std::string socket;
  // Load balancers: a connection from one of these begins with a PROXY header, which tells the
  // client.
  std::vector<Network> proxy_networks;
  // What we call ourselves here; empty: server.host_name.
  std::string host_name;
  // PEM files; empty: those of [tls].
  std::string certificate;
  std::string key;
  // PEM file with those who may have signed clients' certificates; empty: none are asked for.
  std::string client_ca;
  // A client without a good certificate is not let in.
  bool client_certificate_required = false;
  // 0: no limit besides those of all listeners; and those of [submission].
  std::size_t connections_max = 0;
  std::uint64_t message_size_max = 0;
  std::size_t recipients_max = 0;
  unsigned messages_max = 0;
};

// What holds for the sessions of one listener, out of what holds for all.
inline smtp::ServerOptions session_of(const ListenerOptions& listener,
                                      smtp::ServerOptions session) {
  session.mode = listener.mode;
  if (!listener.host_name.empty()) session.host_name = listener.host_name;
  if (listener.message_size_max != 0) session.message_size_max = listener.message_size_max;
  if (listener.recipients_max != 0) session.recipients_max = listener.recipients_max;
  if (listener.messages_max != 0) session.messages_max = listener.messages_max;
  return session;
}

struct Options {
  std::vector<ListenerOptions> listeners;
  policy::AdmissionOptions admission;
  // TLS handshakes in progress at one time, of all listeners, shared as policy::ClientSeats says;
  // beyond, 454, or a closed connection where TLS comes first.
  std::size_t handshakes_max = 2'000;
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
  // Octets of message texts and recipients that all sessions together may hold in memory; beyond,
  // 452 4.3.1.
  std::size_t bodies_in_flight_max = 512U << 20;
  // Of these what the sessions of one client may hold; 0: half.
  std::size_t bodies_in_flight_per_client_max = 0;
  // A text of so many octets is written to the queue while it arrives, and then read back for its
  // delivery; a smaller one goes from memory to its first attempt.
  std::size_t stream_from = 2U << 20;
};

// What a session holds of one message at most, unless its header section is beyond 512 KiB: that,
// the part of its text that is written and the one that is gathered, and what a read brings.
inline std::size_t text_held_max(const Options& options) {
  return options.header_size_max + options.stream_from + (std::size_t{512} << 10);
}

// What one client may hold: a message always fits.
inline std::size_t bodies_in_flight_per_client(const Options& options) {
  const std::size_t half = options.bodies_in_flight_max / 2;
  const std::size_t set = options.bodies_in_flight_per_client_max;
  return std::max(set != 0 ? set : half,
                  std::min<std::size_t>(text_held_max(options), options.session.message_size_max));
}

}  // namespace postrider::submission
