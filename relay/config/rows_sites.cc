// Rows of [[provider]], [[reply]], [[site]] and [[source]]: who may be given what.
#include <array>
#include <vector>

#include "relay/config/option_rows.h"

namespace postrider::config {

namespace {

using policy::LimitRule;

// The same limit in each of the three sections.
template <auto Entry, auto Limit>
Slot limit_slot(const Record& at) {
  return &((at.*Entry)->limits.*Limit);
}

// What the limits count, in the words of a section.
struct LimitWords {
  std::string_view connections;
  std::string_view message_rate;
  std::string_view connection_rate;
};

constexpr std::string_view kUnsaid = "0: no say here.";
constexpr std::string_view kUnsaidRate = "Left out: no say here. \"none\": no limit.";

template <auto Entry>
constexpr std::array<Option, 6> limit_rows(std::string_view section, const LimitWords& words) {
  return {{
      {.section = section,
       .key = "connections_max",
       .kind = Kind::kCount,
       .slot = limit_slot<Entry, &LimitRule::connections_max>,
       .range = {0, 10'000},
       .help = words.connections,
       .more = kUnsaid},
      {.section = section,
       .key = "messages_per_connection_max",
       .kind = Kind::kCount,
       .slot = limit_slot<Entry, &LimitRule::messages_per_connection_max>,
       .range = {0, 1'000'000},
       .help = "Messages sent on one connection before it is closed.",
       .more = kUnsaid},
      {.section = section,
       .key = "recipients_per_transaction_max",
       .kind = Kind::kCount,
       .slot = limit_slot<Entry, &LimitRule::recipients_per_transaction_max>,
       .range = {0, 1000},
       .help = "Recipients of one message in one transaction; more take further ones.",
       .more = kUnsaid},
      {.section = section,
       .key = "message_rate",
       .kind = Kind::kRate,
       .slot = limit_slot<Entry, &LimitRule::message_rate>,
       .help = words.message_rate,
       .more = kUnsaidRate,
       .example = "\"600/m\""},
      {.section = section,
       .key = "connection_rate",
       .kind = Kind::kRate,
       .slot = limit_slot<Entry, &LimitRule::connection_rate>,
       .help = words.connection_rate,
       .more = kUnsaidRate,
       .example = "\"100/m\""},
      {.section = section,
       .key = "queue_rate",
       .kind = Kind::kRate,
       .slot = limit_slot<Entry, &LimitRule::queue_rate>,
       .help = "Messages of one queue (one domain, tenant, campaign and band) in a time.",
       .more = kUnsaidRate,
       .example = "\"60/m\""},
  }};
}

constexpr Option kProviderRows[] = {
    {.section = "provider",
     .key = "name",
     .kind = Kind::kText,
     .slot = PR_SLOT(provider->name),
     .check = check_label,
     .help = "What it is called in `postrider explain`; needed.",
     .more = "With the name of one that comes with postrider it takes that one's place.",
     .example = "\"example\""},
    {.section = "provider",
     .key = "mx",
     .kind = Kind::kTexts,
     .slot = PR_SLOT(provider->mx),
     .range = {0, 100},
     .check = check_host_pattern,
     .help = "The names of its mail hosts; \".example.net\" for all below that name; needed.",
     .more = "A domain is the provider's if all its mail hosts are. The first provider that fits "
             "counts.",
     .example = "[\".mail.example.net\"]"},
    {.section = "provider",
     .key = "samples",
     .kind = Kind::kTexts,
     .slot = PR_SLOT(provider->samples),
     .range = {0, 1000},
     .check = check_sample,
     .help =
         "Replies it gives and what must become of them: \"slow: 421 4.7.0 Too many\", \"rest at "
         "greeting: 554 Blocked\"; retry, bounce, slow, next_host or rest.",
     .more = "Without a stage (greeting, hello, mail, recipient, data) it is the reply to a whole "
             "message. They change nothing: `postrider check` refuses a configuration that judges "
             "one otherwise, or that has a [[reply]] of the provider that decides none of them.",
     .example = "[\"slow: 421 4.7.0 Too many messages\"]"},
};

// In the order of policy::Then.
constexpr std::string_view kThens[] = {"retry", "bounce", "slow", "next_host", "rest"};

constexpr Option kReplyRows[] = {
    {.section = "reply",
     .key = "provider",
     .kind = Kind::kText,
     .slot = PR_SLOT(reply->provider),
     .check = check_label,
     .help = "The name of the provider; needed.",
     .example = "\"example\""},
    {.section = "reply",
     .key = "code",
     .kind = Kind::kText,
     .slot = PR_SLOT(reply->rule.code),
     .check = check_reply_code,
     .help = "The reply code, \"4xx\" or \"5xx\"; needed.",
     .example = "\"421\""},
    {.section = "reply",
     .key = "text",
     .kind = Kind::kText,
     .slot = PR_SLOT(reply->rule.text),
     .help = "What the text of the reply must contain, in upper or lower case; empty: anything.",
     .example = "\"try again in an hour\""},
    {.section = "reply",
     .key = "then",
     .kind = Kind::kChoice,
     .slot = PR_SLOT(reply->rule.then),
     .choices = kThens,
     .help = "What becomes of the mail and the destination.",
     .more =
         "retry: the recipient is tried again by its schedule. bounce: it is given up. slow: as "
         "retry, and fewer connections are made. next_host: another mail host is tried, later "
         "again. rest: as retry, and nothing more is sent there for a while."},
    {.section = "reply",
     .key = "rest",
     .kind = Kind::kDuration,
     .slot = PR_SLOT(reply->rule.rest),
     .range = {kSecond, kDay},
     .help = "With then = \"rest\": for how long."},
    {.section = "reply",
     .key = "samples",
     .kind = Kind::kTexts,
     .slot = PR_SLOT(reply->samples),
     .range = {0, 1000},
     .check = check_sample,
     .help = "Replies that the rule is for, as in provider.samples.",
     .more = "A rule that decides neither one of these nor one of its provider's samples is a "
             "mistake: it may never match.",
     .example = "[\"rest: 421 4.7.0 Try again in an hour\"]"},
};

constexpr Option kSiteRows[] = {
    {.section = "site",
     .key = "domain",
     .kind = Kind::kText,
     .slot = PR_SLOT(site->domain),
     .check = check_host_name,
     .help = "The domain of the recipients, whose mail then has connections of its own.",
     .more =
         "This or mx is needed. Where its mail hosts are a provider's, what the provider may be "
         "given together includes it.",
     .example = "\"example.org\""},
    {.section = "site",
     .key = "mx",
     .kind = Kind::kText,
     .slot = PR_SLOT(site->mx),
     .check = check_host_pattern,
     .help = "Instead of domain: the name of the mail host, or \".example.net\" for all below it.",
     .more = "A rule for each site whose mail hosts all fit; unlike a provider, each by itself.",
     .example = "\"mx.example.org\""},
};

constexpr Option kSourceRows[] = {
    {.section = "source",
     .key = "name",
     .kind = Kind::kText,
     .slot = PR_SLOT(source->name),
     .check = check_label,
     .help = "What it is called in `postrider explain`; needed.",
     .more = "Messages are spread over the sources by these names: with another name a message "
             "that is under way may go on from another source.",
     .example = "\"bulk\""},
    {.section = "source",
     .key = "ipv4",
     .kind = Kind::kAddress,
     .slot = PR_SLOT(source->ipv4),
     .check = check_ipv4,
     .help = "Its IPv4 address, one of this machine; without one it does not use IPv4.",
     .example = "\"192.0.2.10\""},
    {.section = "source",
     .key = "ipv6",
     .kind = Kind::kAddress,
     .slot = PR_SLOT(source->ipv6),
     .check = check_ipv6,
     .help = "Its IPv6 address, one of this machine; without one it does not use IPv6.",
     .example = "\"2001:db8::10\""},
    {.section = "source",
     .key = "host_name",
     .kind = Kind::kText,
     .slot = PR_SLOT(source->host_name),
     .check = check_host_name,
     .help = "The name said in EHLO, which should lead to the address and back; empty: "
             "server.host_name.",
     .example = "\"bulk.example.com\""},
    {.section = "source",
     .key = "weight",
     .kind = Kind::kCount,
     .slot = PR_SLOT(source->weight),
     .range = {1, 1000},
     .help = "Its share of the mail among the sources that the mail may take.",
     .more = "A message takes the same source in all its attempts."},
    {.section = "source",
     .key = "tenants",
     .kind = Kind::kTexts,
     .slot = PR_SLOT(source->tenants),
     .range = {0, 1000},
     .check = check_label,
     .help = "The tenants whose mail it sends; empty: all who have no source of their own.",
     .more = "Where no source is left for a tenant, its mail goes from delivery.source_ipv4 and "
             "delivery.source_ipv6.",
     .example = "[\"shop\"]"},
};

template <std::size_t Count>
void append(std::vector<Option>& rows, const Option (&more)[Count]) {
  rows.insert(rows.end(), std::begin(more), std::end(more));
}

std::vector<Option> all_site_rows() {
  constexpr auto kOfProvider = limit_rows<&Record::provider>(
      "provider", {"Connections at a time to all its sites together.",
                   "Messages in a time to all its sites together.",
                   "Connections tried in a time to all its sites together."});
  constexpr auto kOfSite = limit_rows<&Record::site>(
      "site", {"Connections at a time.", "Messages in a time.", "Connections tried in a time."});
  constexpr auto kOfSource = limit_rows<&Record::source>(
      "source", {"Connections at a time to one destination, where other rules allow more.",
                 "Messages in a time to one destination, where other rules allow more.",
                 "Connections tried in a time to one destination, where other rules allow more."});
  std::vector<Option> rows;
  append(rows, kProviderRows);
  rows.insert(rows.end(), kOfProvider.begin(), kOfProvider.end());
  append(rows, kReplyRows);
  append(rows, kSiteRows);
  rows.insert(rows.end(), kOfSite.begin(), kOfSite.end());
  append(rows, kSourceRows);
  rows.insert(rows.end(), kOfSource.begin(), kOfSource.end());
  return rows;
}

}  // namespace

std::span<const Option> site_rows() {
  static const std::vector<Option> rows = all_site_rows();
  return rows;
}

}  // namespace postrider::config
