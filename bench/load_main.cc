// postrider-load: an SMTP load generator. See README.md.
#include <array>
#include <csignal>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "bench/arguments.h"
#include "bench/descriptor_limit.h"
#include "bench/load/load_run.h"
#include "bench/quantity.h"
#include "relay/base/random.h"

namespace postrider::bench {

namespace {

struct Settings {
  LoadOptions load;
  bool json = false;
  bool tolerate = false;
  bool has_target = false;
  bool no_pipelining = false;
};

constexpr std::string_view kSummary =
    "Sends messages over SMTP and measures what comes back. Each session sends its next message\n"
    "when it has the final reply to the last (closed loop), or, with --rate, as messages fall due\n"
    "(open loop: latency then counts from the time a message was due). Each message carries a\n"
    "header X-Sequence: RUN-NUMBER. Always ends by itself: see --timeout.\n"
    "Exit code: 0 all accepted, 1 some failed or the time was up, 2 wrong usage.";

template <class T>
Result<void> assign(T& target, Result<T> value) {
  if (!value) return failure(value.error());
  target = *std::move(value);
  return {};
}

Result<void> set_tls(TlsUse& target, std::string_view value) {
  static constexpr std::array<std::pair<std::string_view, TlsUse>, 3> kUses = {
      {{"none", TlsUse::kNone}, {"starttls", TlsUse::kStartTls}, {"implicit", TlsUse::kImplicit}}};
  for (const auto& [name, use] : kUses) {
    if (name != value) continue;
    target = use;
    return {};
  }
  return failure("is one of none, starttls, implicit");
}

Result<void> set_auth(LoadOptions& load, std::string_view value) {
  const std::size_t colon = value.find(':');
  if (colon == value.npos || colon == 0) return failure("is USER:PASSWORD");
  load.user = value.substr(0, colon);
  load.password = value.substr(colon + 1);
  return {};
}

void declare_connection(Arguments& arguments, Settings& settings) {
  LoadOptions& load = settings.load;
  arguments.option("--to", "ADDR:PORT", "the server; required", [&](std::string_view value) {
    settings.has_target = true;
    return assign(load.to, Endpoint::parse(value));
  });
  arguments.count("--sessions", "N", "connections at the same time (1)", load.sessions, 1);
  arguments.count("--threads", "N", "threads that share the sessions (1)", load.threads, 1);
  arguments.count("--messages-per-session", "N", "then QUIT and connect again (0: never)",
                  load.messages_per_session);
  arguments.option("--tls", "HOW", "none, starttls or implicit (none); no certificate is checked",
                   [&](std::string_view value) { return set_tls(load.tls, value); });
  arguments.option("--auth", "USER:PASSWORD", "AUTH PLAIN (none)",
                   [&](std::string_view value) { return set_auth(load, value); });
  arguments.flag("--no-pipelining", "one command at a time", settings.no_pipelining);
  arguments.count("--reconnects", "N",
                  "attempts after a lost connection, per session, without a message\n"
                  "accepted between them (3)",
                  load.reconnects);
  arguments.text("--helo", "NAME", "the name in EHLO (load.invalid)", load.helo);
}

void declare_messages(Arguments& arguments, Settings& settings) {
  LoadOptions& load = settings.load;
  arguments.count("--messages", "N", "messages in all", load.messages, 1);
  arguments.option("--seconds", "S", "or: begin messages for this many seconds",
                   [&](std::string_view value) -> Result<void> {
                     const auto seconds = parse_count(value);
                     if (!seconds) return failure(seconds.error());
                     if (*seconds == 0 || *seconds > 86'400) return failure("is 1 to 86400");
                     load.duration = Seconds(static_cast<Seconds::rep>(*seconds));
                     return {};
                   });
  arguments.count("--rate", "R", "messages a second, in open loop (0: closed loop)", load.rate);
  arguments.option(
      "--size", "MIX", "bytes a message, or a mix such as 1k:70,100k:30 (4096)",
      [&](std::string_view value) { return assign(load.sizes, parse_size_mix(value)); });
  arguments.option(
      "--domains", "MIX",
      "recipients' domains, with weights: 'd[1-100].test:3,big.test:7'\n"
      "(d1.test)",
      [&](std::string_view value) { return assign(load.domains, parse_domain_mix(value)); });
  arguments.count("--rcpt-per-message", "N", "recipients a message (1)",
                  load.recipients_per_message, 1);
  arguments.text("--from", "ADDRESS", "the sender (load@load.invalid)", load.sender);
  arguments.text("--run", "NAME", "the first part of the sequence numbers (chosen)", load.run);
}

void declare_result(Arguments& arguments, Settings& settings) {
  LoadOptions& load = settings.load;
  arguments.text("--ids", "FILE",
                 "append 'QUEUE-ID SEQUENCE TIME' to FILE for each message as it is accepted; the\n"
                 "id is read from a reply such as '250 2.0.0 queued as ID', the time is in\n"
                 "microseconds of the monotonic clock",
                 load.ids_file);
  arguments.option(
      "--timeout", "TIME", "the end, whatever is under way (10m)",
      [&](std::string_view value) { return assign(load.timeout, parse_duration(value)); });
  arguments.flag("--json", "print one JSON object instead of a table", settings.json);
  arguments.flag("--tolerate", "exit code 0 although messages failed", settings.tolerate);
}

Result<void> check(const Settings& settings) {
  const LoadOptions& load = settings.load;
  if (!settings.has_target) return failure("--to ADDR:PORT is required");
  if (load.messages == 0 && load.duration.count() == 0) {
    return failure("--messages N or --seconds S is required");
  }
  if (load.sessions > LoadOptions::kMaxSessions) {
    return failure("--sessions: at most " + std::to_string(LoadOptions::kMaxSessions));
  }
  if (load.recipients_per_message > LoadOptions::kMaxRecipients) {
    return failure("--rcpt-per-message: at most " + std::to_string(LoadOptions::kMaxRecipients));
  }
  return {};
}

Result<bool> read_settings(const Arguments& arguments, const std::vector<std::string>& words,
                           Settings& settings) {
  auto parsed = arguments.parse(words);
  if (!parsed || !*parsed) return parsed;
  if (auto checked = check(settings); !checked) return failure(checked.error());
  LoadOptions& load = settings.load;
  load.pipelining = !settings.no_pipelining;
  if (load.sizes.empty()) load.sizes.add({4096}, 1);
  if (load.domains.empty()) load.domains.add({"d1.test"}, 1);
  if (load.run.empty()) load.run = SystemRandom().token(8);
  return true;
}

int load_main(const std::vector<std::string>& words) {
  Settings settings;
  settings.load.reconnects = 3;
  Arguments arguments("postrider-load --to ADDR:PORT --messages N | --seconds S [options]",
                      std::string(kSummary));
  declare_connection(arguments, settings);
  declare_messages(arguments, settings);
  declare_result(arguments, settings);
  const auto wanted = read_settings(arguments, words, settings);
  if (!wanted) {
    std::cerr << "postrider-load: " << wanted.error().text() << " (--help lists the options)\n";
    return Arguments::kExitUsage;
  }
  if (!*wanted) {
    std::cout << arguments.help();
    return Arguments::kExitOk;
  }
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  const auto result = run_load(settings.load);
  if (!result) {
    std::cerr << "postrider-load: " << result.error().text() << "\n";
    return Arguments::kExitFailed;
  }
  std::cout << (settings.json ? load_json(settings.load, *result) + "\n"
                              : load_table(settings.load, *result));
  const bool complete = result->tally.failed == 0 && result->tally.accepted > 0;
  const bool good = !result->timed_out && (complete || settings.tolerate);
  return good ? Arguments::kExitOk : Arguments::kExitFailed;
}

}  // namespace

}  // namespace postrider::bench

int main(int argc, char** argv) {
  return postrider::bench::load_main(std::vector<std::string>(argv + 1, argv + argc));
}
