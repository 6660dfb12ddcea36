#include "relay/config/reference.h"

#include <fmt/format.h>

#include "relay/base/ascii.h"
#include "relay/config/option_table.h"
#include "relay/config/option_value.h"

namespace postrider::config {

namespace {

constexpr std::size_t kColumns = 80;

// `text` as comment lines.
std::string comment(std::string_view text) {
  std::string out;
  std::string line = "#";
  for (const std::string_view word : ascii::split(text, ' ')) {
    if (line.size() + 1 + word.size() > kColumns) {
      out += line + "\n";
      line = "#";
    }
    line += " ";
    line += word;
  }
  return out + line + "\n";
}

std::string sentences(const Option& option) {
  std::string text(option.help);
  if (!option.more.empty()) text += " " + std::string(option.more);
  return text;
}

// What to show for an option nobody has set: its default, or an example where that is empty.
std::string shown_value(const Option& option, const Record& defaults) {
  if (!option.example.empty()) return std::string(option.example);
  return literal(option, defaults);
}

// Where the options of defaults are looked up.
struct Defaults {
  Config config;
  submission::ListenerOptions listener;
  auth::User user;
  delivery::RouteOptions route;
  signing::KeyOptions dkim;
  delivery::ProviderOptions provider;
  delivery::ReplyOptions reply;
  delivery::SiteOptions site;
  delivery::SourceOptions source;

  Record record() {
    return {&config, &listener, &user, &route, &dkim, &provider, &reply, &site, &source};
  }
};

// The entries that the sample has for a section that repeats.
constexpr std::string_view kSampleListeners = R"([[listener]]
address = "0.0.0.0:587"
mode = "submission"

[[listener]]
address = "0.0.0.0:465"
mode = "submissions"

# Applications inside your own networks, without a password.
# [[listener]]
# address = "10.0.0.1:25"
# mode = "trusted"
)";

constexpr std::string_view kSampleUsers =
    "# `postrider user add NAME` writes them to auth.users_file.\n";

constexpr std::string_view kSampleKeys = R"(# [[dkim]]
# domain = "example.com"
# selector = "relay1"
# key = "/etc/postrider/dkim/relay1.pem"
)";

constexpr std::string_view kSampleRoutes = R"(# [[route]]
# domain = "*"
# host = "smtp.example.net"
# user = "relay@example.com"
# password_file = "/etc/postrider/smarthost.password"
)";

constexpr std::string_view kSampleProviders = R"(# [[provider]]
# name = "example"
# mx = [".mail.example.net"]
# connections_max = 5
# message_rate = "600/m"
)";

constexpr std::string_view kSampleReplies = R"(# [[reply]]
# provider = "example"
# code = "421"
# text = "try again in an hour"
# then = "rest"
# rest = "1h"
# samples = ["rest: 421 4.7.0 Try again in an hour"]
)";

constexpr std::string_view kSampleSites = R"(# [[site]]
# domain = "example.org"
# connections_max = 2
# message_rate = "10/m"
)";

constexpr std::string_view kSampleSources = R"(# [[source]]
# name = "bulk"
# ipv4 = "192.0.2.10"
# host_name = "bulk.example.com"
)";

std::string_view sample_of(const Section& section) {
  if (section.name == "listener") return kSampleListeners;
  if (section.name == "dkim") return kSampleKeys;
  if (section.name == "user") return kSampleUsers;
  if (section.name == "route") return kSampleRoutes;
  if (section.name == "provider") return kSampleProviders;
  if (section.name == "reply") return kSampleReplies;
  return section.name == "site" ? kSampleSites : kSampleSources;
}

std::string sample_options(const Section& section, const Record& defaults) {
  std::string out = section.header() + "\n";
  for (const Option& option : options_of(section.name)) {
    out += "\n" + comment(sentences(option));
    if (option.kind == Kind::kChoice) out += comment(expected_value(option));
    if (option.sample.empty()) {
      out += fmt::format("# {} = {}\n", option.key, shown_value(option, defaults));
    } else {
      out += fmt::format("{} = {}\n", option.key, option.sample);
    }
  }
  return out;
}

// The options of a section that repeats, explained once above its entries.
std::string sample_entries(const Section& section) {
  std::string out;
  for (const Option& option : options_of(section.name)) {
    out += comment(fmt::format("{}: {}", option.key, sentences(option)));
    if (option.kind == Kind::kChoice) {
      out += comment(expected_value(option));
    }
  }
  return out + "\n" + std::string(sample_of(section));
}

// As text in a Markdown table cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '<') out += '\\';
    out += c;
  }
  return out;
}

std::string default_cell(const Option& option, const Record& defaults) {
  const std::string value = literal(option, defaults);
  if (option.section == "listener" && option.key == "address") return "needed";
  if (option.section == "user" && option.key == "name") return "needed";
  if (option.section == "dkim" &&
      (option.key == "domain" || option.key == "selector" || option.key == "key")) {
    return "needed";
  }
  if (option.section == "route" && (option.key == "domain" || option.key == "host")) {
    return "needed";
  }
  if (option.section == "reply" && (option.key == "provider" || option.key == "code")) {
    return "needed";
  }
  const bool is_rule = option.section == "provider" || option.section == "source";
  if (is_rule && (option.key == "name" || option.key == "mx")) return "needed";
  if (value == "\"\"") return "empty";
  if (value == "[]") return "empty";
  return "`" + value + "`";
}

std::string markdown_row(const Option& option, const Record& defaults) {
  std::string text = sentences(option);
  if (!option.example.empty()) text += fmt::format(" Example: `{}`.", option.example);
  if (option.live) text += " May change without a restart.";
  return fmt::format("| `{}` | {} | {} | {} | {} |\n", option.key, cell(expected_value(option)),
                     default_cell(option, defaults), option.since, cell(text));
}

std::string dump_section(const LoadResult& loaded, const Section& section,
                         const std::string& prefix, const Record& record) {
  std::string out = "\n" + section.header() + "\n";
  for (const Option& option : options_of(section.name)) {
    const auto line = loaded.lines.find(prefix + "." + std::string(option.key));
    const bool is_set = line != loaded.lines.end();
    std::string value = literal(option, record);
    if (option.kind == Kind::kSecret && value != "\"\"") value = "\"(hidden)\"";
    out += fmt::format("{} = {}  # {}\n", option.key, value,
                       is_set ? fmt::format("line {}", line->second) : "default");
  }
  return out;
}

}  // namespace

std::string sample_toml() {
  Defaults defaults;
  std::string out =
      "# postrider: a configuration to start from. Made by `postrider options`.\n"
      "#\n"
      "# What is not commented out is a small production set-up: change names, files and\n"
      "# users, then run `postrider check --config FILE`. What is commented out shows a\n"
      "# default, or an example where the default is empty. All options take effect when\n"
      "# the relay starts. Sizes: \"64KiB\", \"50MB\". Durations: \"500ms\", \"30s\", \"5m\",\n"
      "# \"4h\", \"5d\".\n";
  for (const Section& section : sections()) {
    out += "\n" + comment(section.help);
    out += section.repeats() ? sample_entries(section) : sample_options(section, defaults.record());
  }
  return out;
}

std::string options_markdown() {
  Defaults defaults;
  std::string out =
      "# Options of postrider\n"
      "\n"
      "Made by `postrider options --format markdown`; do not edit.\n"
      "\n"
      "One TOML file holds the configuration, `/etc/postrider/postrider.toml` unless `--config`\n"
      "names another; `postrider options` prints one to start from, `postrider check` says what "
      "is\n"
      "wrong with yours, with line numbers, and `postrider check --dump` what every option is set\n"
      "to. An unknown key is an error.\n"
      "\n"
      "- A *size* is a number of octets, or a text like `\"64KiB\"` or `\"50MB\"`: KB, MB, GB and\n"
      "  TB count by 1000, KiB, MiB, GiB and TiB by 1024.\n"
      "- A *duration* is a text with one number and one unit: ms, s, m, h, d.\n"
      "- An *address:port* is `\"192.0.2.1:25\"` or `\"[2001:db8::1]:25\"`; a *network* is\n"
      "  `\"10.0.0.0/8\"`, or one address.\n"
      "- Options take effect when the relay starts, unless they say otherwise.\n";
  for (const Section& section : sections()) {
    out += fmt::format("\n## `{}`\n\n{}\n\n", section.header(), section.help);
    out += "| key | value | default | since | what it does |\n|---|---|---|---|---|\n";
    for (const Option& option : options_of(section.name)) {
      out += markdown_row(option, defaults.record());
    }
  }
  return out;
}

namespace {

// A section that repeats, entry by entry; `member` is the one of Record for it.
template <class Entry>
std::string dump_entries(const LoadResult& loaded, const Section& section,
                         std::vector<Entry>& entries, Entry* Record::*member) {
  std::string out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Record record;
    record.*member = &entries[i];
    out += dump_section(loaded, section, fmt::format("{}[{}]", section.name, i), record);
  }
  return out;
}

std::string dump_entries(LoadResult& loaded, const Section& section) {
  Config& config = loaded.config;
  delivery::Options& delivery = config.delivery;
  const auto dump = [&](auto& entries, auto member) {
    return dump_entries(loaded, section, entries, member);
  };
  if (section.name == "listener") return dump(config.submission.listeners, &Record::listener);
  if (section.name == "user") return dump(config.auth.users, &Record::user);
  if (section.name == "dkim") return dump(config.signing.keys, &Record::dkim);
  if (section.name == "route") return dump(delivery.routes, &Record::route);
  if (section.name == "provider") return dump(delivery.providers, &Record::provider);
  if (section.name == "reply") return dump(delivery.replies, &Record::reply);
  if (section.name == "site") return dump(delivery.sites, &Record::site);
  return dump(delivery.sources, &Record::source);
}

}  // namespace

std::string dump_toml(const LoadResult& loaded) {
  // Slots are writable; this one is only read through.
  LoadResult copy = loaded;
  std::string out;
  for (const Section& section : sections()) {
    out += section.repeats()
               ? dump_entries(copy, section)
               : dump_section(copy, section, std::string(section.name), {&copy.config});
  }
  return out.substr(1);
}

}  // namespace postrider::config
