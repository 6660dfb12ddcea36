// Rows of [signing] and [[dkim]].
#include "relay/config/option_rows.h"

namespace postrider::config {

namespace {

// In the order of signing::Canonicalization.
constexpr std::string_view kCanonicalizations[] = {"relaxed/relaxed", "relaxed/simple",
                                                   "simple/relaxed", "simple/simple"};

constexpr Option kSigningRows[] = {
    {.section = "signing",
     .key = "required_from",
     .kind = Kind::kTexts,
     .slot = PR_SLOT(config->submission.signature_authors),
     .range = {0, 1000},
     .check = check_sender_pattern,
     .help = "Authors whose messages are refused with 550 when no key of theirs signs them.",
     .more =
         "Patterns as in user.senders, for the addresses of From, those included that stand there "
         "as names; \"*\" is every message, signed by whatever key. The keys for the domain of "
         "the first author sign: a message that is also from one named here, of another domain, is "
         "refused. So is one without a From that can be read, or with one that mail programs "
         "read differently. "
         "What nobody demands a signature of passes without one where no key is for it.",
     .example = "[\"example.com\", \"*.example.com\"]"},
    {.section = "signing",
     .key = "required_tenants",
     .kind = Kind::kTexts,
     .slot = PR_SLOT(config->submission.signature_tenants),
     .range = {0, 1000},
     .check = check_tenant,
     .help = "Tenants whose messages are refused with 550 when no key signs them.",
     .example = "[\"shop\"]"},
    {.section = "signing",
     .key = "threads",
     .kind = Kind::kCount,
     .slot = PR_SLOT(config->signing.threads),
     .range = {0, 64},
     .help = "Threads that sign; 0: one for each core.",
     .more = "A signature with RSA of 2048 bits takes about 0.3 ms of one core, one with Ed25519 "
             "0.04 ms."},
    {.section = "signing",
     .key = "waiting_max",
     .kind = Kind::kCount,
     .slot = PR_SLOT(config->signing.waiting_max),
     .range = {1, 1'000'000},
     .help = "Messages waiting for such a thread; beyond it one is put off with 451."},

    {.section = "dkim",
     .key = "domain",
     .kind = Kind::kText,
     .slot = PR_SLOT(dkim->domain),
     .check = check_signing_domain,
     .help = "Whose messages the key signs: those with this domain in From; it is the d= of the "
             "signature.",
     .example = "\"example.com\""},
    {.section = "dkim",
     .key = "subdomains",
     .kind = Kind::kBool,
     .slot = PR_SLOT(dkim->subdomains),
     .help =
         "Messages from domains below it are signed too, where those have no key of their own."},
    {.section = "dkim",
     .key = "tenant",
     .kind = Kind::kText,
     .slot = PR_SLOT(dkim->tenant),
     .check = check_tenant,
     .help = "Only messages of this tenant are signed, instead of by the keys without a tenant; "
             "empty: those of all who have no key of their own.",
     .example = "\"shop\""},
    {.section = "dkim",
     .key = "selector",
     .kind = Kind::kText,
     .slot = PR_SLOT(dkim->selector),
     .check = check_selector,
     .help = "The name of the key under _domainkey in the DNS of the domain; each key has its own.",
     .example = "\"relay1\""},
    {.section = "dkim",
     .key = "key",
     .kind = Kind::kPath,
     .slot = PR_SLOT(dkim->key_file),
     .check = check_needed_path,
     .help = "PEM file with the private key: RSA of 2048 bits or more, or Ed25519 (RFC 8463).",
     .more =
         "It is read again within seconds of a change, and at SIGHUP; while a new one cannot be "
         "used, which the log tells, the one before stays. `postrider dkim` prints what belongs "
         "into the DNS.",
     .example = "\"/etc/postrider/dkim/relay1.pem\""},
    {.section = "dkim",
     .key = "headers",
     .kind = Kind::kTexts,
     .slot = PR_SLOT(dkim->headers),
     .range = {0, 50},
     .check = check_signed_field,
     .help = "Names of header fields to sign where they are there, besides those that always are.",
     .example = "[\"X-Mailer\"]"},
    {.section = "dkim",
     .key = "canonicalization",
     .kind = Kind::kChoice,
     .slot = PR_SLOT(dkim->canonicalization),
     .choices = kCanonicalizations,
     .help = "What a change on the way may do to header section and body without breaking the "
             "signature (RFC 6376 section 3.4).",
     .more = "relaxed forgives changed folding and blanks, simple forgives nothing but empty lines "
             "at the end."},
};

}  // namespace

std::span<const Option> signing_rows() {
  return kSigningRows;
}

}  // namespace postrider::config
