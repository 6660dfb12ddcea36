// Rows of [server], [tls] and [[listener]].
#include "relay/config/option_rows.h"

namespace postrider::config {

namespace {

constexpr std::string_view kLogLevels[] = {"debug", "info", "warning", "error"};
constexpr std::string_view kModes[] = {"submission", "submissions", "trusted"};

constexpr Option kServerRows[] = {
    {.section = "server",
     .key = "host_name",
     .kind = Kind::kText,
     .slot = PR_SLOT(config->server.host_name),
     .check = check_host_name,
     .help = "The name this relay gives itself in greetings, EHLO, Received fields and reports.",
     .more = "It should resolve to the source address, and that address back to it, or many "
             "destinations refuse the mail. Empty: the full host name of the system.",
     .sample = "\"relay.example.com\""},
    {.section = "server",
     .key = "data_dir",
     .kind = Kind::kPath,
     .slot = PR_SLOT(config->server.data_dir),
     .check = check_needed_path,
     .help = "The directory that holds the queue, and the secret that logins need.",
     .more = "On a local disk: every 250 waits for one synced write to it. Only one relay may use "
             "it at a time."},
    {.section = "server",
     .key = "user",
     .kind = Kind::kText,
     .slot = PR_SLOT(config->server.user),
     .check = check_unix_user,
     .help = "The system user to become, for good, once the listeners are bound.",
     .more = "Needed when started as root, and must not be root itself. It must be able to read "
             "certificates and keys and to write the data directory and the journal; "
             "`postrider check` tries that.",
     .sample = "\"postrider\""},
    {.section = "server",
     .key = "workers",
     .kind = Kind::kCount,
     .slot = PR_SLOT(config->server.workers),
     .range = {0, 256},
     .help = "Threads that carry sessions and deliveries; 0: one for each core."},
    {.section = "server",
     .key = "log_level",
     .kind = Kind::kChoice,
     .slot = PR_SLOT(config->server.log_level),
     .choices = kLogLevels,
     .help = "The least important lines that are still written to the log (standard error)."},
    {.section = "server",
     .key = "allow_plain_passwords",
     .kind = Kind::kBool,
     .slot = PR_SLOT(config->server.allow_plain_passwords),
     .help = "Lets [[user]] entries have a plain password instead of a hash; for tests and demos."},

    {.section = "tls",
     .key = "certificate",
     .kind = Kind::kPath,
     .slot = PR_SLOT(config->tls.certificate_file),
     .check = check_path,
     .help = "PEM file with the certificate of this relay, the leaf first, then the chain.",
     .more = "For listeners that name none of their own. Certificates, keys and client_ca of all "
             "listeners are read again within seconds of a change, and at SIGHUP, and the next "
             "TLS handshake uses them; while a new version cannot be used, which the log says, "
             "the one before it stays. The user to become must be able to read them.",
     .sample = "\"/etc/postrider/fullchain.pem\""},
    {.section = "tls",
     .key = "key",
     .kind = Kind::kPath,
     .slot = PR_SLOT(config->tls.key_file),
     .check = check_path,
     .help = "PEM file with the private key of that certificate.",
     .sample = "\"/etc/postrider/privkey.pem\""},

    {.section = "listener",
     .key = "address",
     .kind = Kind::kEndpoint,
     .slot = PR_SLOT(listener->address),
     .help = "Address and port to listen on; needed in every [[listener]].",
     .more = "0.0.0.0 is every IPv4 address, [::] every IPv6 address. Port 0 lets the system "
             "choose, which is of use in tests.",
     .example = "\"0.0.0.0:587\""},
    {.section = "listener",
     .key = "mode",
     .kind = Kind::kChoice,
     .slot = PR_SLOT(listener->mode),
     .choices = kModes,
     .help = "What clients do here before they may send.",
     .more = "submission: STARTTLS, then AUTH (RFC 6409, port 587). submissions: TLS from the "
             "first octet, then AUTH (RFC 8314, port 465). trusted: nothing, but only clients in "
             "submission.trusted_networks may connect; STARTTLS is offered where there is a "
             "certificate."},
    {.section = "listener",
     .key = "certificate",
     .kind = Kind::kPath,
     .slot = PR_SLOT(listener->certificate),
     .check = check_path,
     .help = "PEM file with the certificate of this listener; empty: that of [tls]."},
    {.section = "listener",
     .key = "key",
     .kind = Kind::kPath,
     .slot = PR_SLOT(listener->key),
     .check = check_path,
     .help = "PEM file with its private key; goes together with certificate."},
    {.section = "listener",
     .key = "host_name",
     .kind = Kind::kText,
     .slot = PR_SLOT(listener->host_name),
     .check = check_host_name,
     .help = "What the relay calls itself here, in greeting, EHLO and Received fields; empty: "
             "server.host_name."},
    {.section = "listener",
     .key = "client_ca",
     .kind = Kind::kPath,
     .slot = PR_SLOT(listener->client_ca),
     .check = check_path,
     .help = "PEM file with the authorities whose client certificates are believed here; empty: "
             "clients are not asked for one.",
     .more = "A client whose certificate is good and listed in a user's certificates is offered "
             "AUTH EXTERNAL, a login without a password. Any authority in the file can make "
             "certificates for every name: use one of your own.",
     .example = "\"/etc/postrider/clients-ca.pem\""},
    {.section = "listener",
     .key = "client_certificate_required",
     .kind = Kind::kBool,
     .slot = PR_SLOT(listener->client_certificate_required),
     .help = "Without a certificate of one of these authorities the TLS handshake fails."},
    {.section = "listener",
     .key = "socket",
     .kind = Kind::kText,
     .slot = PR_SLOT(listener->socket),
     .check = check_socket_name,
     .help = "The name of a socket that the service manager passes (FileDescriptorName= of a "
             "systemd socket unit).",
     .more = "Without it a passed socket is known by its address; a listener that none is passed "
             "for binds its address itself. A passed socket that no listener takes stops the "
             "start. Of several with one name each listener takes the one of its address.",
     .example = "\"postrider\""},
    {.section = "listener",
     .key = "proxy_networks",
     .kind = Kind::kNetworks,
     .slot = PR_SLOT(listener->proxy_networks),
     .range = {0, 1000},
     .help = "Load balancers: a connection from one of these must begin with a header of the PROXY "
             "protocol (version 1 or 2), and counts as one of the client that it names.",
     .more = "Name nothing but the balancers: who may speak for them can be any client. From "
             "others such a header is an unknown command. The header must come within 5 s. One "
             "that names nobody (UNKNOWN) counts as the balancer's, but is refused with 554 where "
             "the mode is trusted; there the balancer's own checks need version 2, with LOCAL.",
     .example = "[\"10.0.0.5\"]"},
    {.section = "listener",
     .key = "connections_max",
     .kind = Kind::kCount,
     .slot = PR_SLOT(listener->connections_max),
     .range = {0, 1'000'000},
     .help = "Connections open here at one time, within submission.connections_max; 0: no limit of "
             "its own. Beyond it a new one is answered 421."},
    {.section = "listener",
     .key = "message_size_max",
     .kind = Kind::kSize,
     .slot = PR_SLOT(listener->message_size_max),
     .range = {0, 2 * kGiB},
     .help = "The largest message that is accepted here; 0: submission.message_size_max, which is "
             "also the most it can be."},
    {.section = "listener",
     .key = "recipients_max",
     .kind = Kind::kCount,
     .slot = PR_SLOT(listener->recipients_max),
     .range = {0, 100'000},
     .help = "Recipients of one message here; 0: submission.recipients_max."},
    {.section = "listener",
     .key = "messages_per_connection_max",
     .kind = Kind::kCount,
     .slot = PR_SLOT(listener->messages_max),
     .range = {0, 1'000'000'000},
     .help = "Messages on one connection here; 0: submission.messages_per_connection_max."},
};

}  // namespace

std::span<const Option> server_rows() {
  return kServerRows;
}

}  // namespace postrider::config
