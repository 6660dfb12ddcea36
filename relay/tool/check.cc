#include "relay/tool/check.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <iterator>
#include <sys/stat.h>

#include "dns/resolver.h"
#include "relay/base/clock.h"
#include "relay/config/file_access.h"
#include "relay/config/local_addresses.h"
#include "relay/config/option_value.h"
#include "relay/config/password_file.h"
#include "relay/config/reference.h"
#include "relay/signing/key.h"
#include "relay/tls/context.h"
#include "relay/tool/terminal.h"
#include "relay/tool/text_table.h"
#include "relay/tool/tool.h"

namespace postrider::tool {

namespace {

using config::Config;
using config::Problem;

bool world_can_read(const std::filesystem::path& file) {
  struct stat about {};

  return ::stat(file.c_str(), &about) == 0 && (about.st_mode & S_IROTH) != 0;
}

// "listener.key" of "listener[0].key".
std::string without_index(std::string name) {
  const std::size_t open = name.find('[');
  if (open != std::string::npos) name.erase(open, name.find(']') - open + 1);
  return name;
}

// Who wants a certificate: the option's name, and the files.
struct WantedIdentity {
  std::string option;
  tls::ServerIdentity files;
};

std::vector<WantedIdentity> identities(const Config& config) {
  std::vector<WantedIdentity> wanted;
  if (!config.tls.certificate_file.empty()) wanted.push_back({"tls.certificate", config.tls});
  const auto& listeners = config.submission.listeners;
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    if (listeners[i].certificate.empty()) continue;
    wanted.push_back(
        {fmt::format("listener[{}].certificate", i), {listeners[i].certificate, listeners[i].key}});
  }
  return wanted;
}

// Into `warnings` those that have expired or soon will.
std::vector<Problem> certificate_problems(const Config& config,
                                          std::vector<std::string>& warnings) {
  std::vector<Problem> problems;
  for (const WantedIdentity& wanted : identities(config)) {
    const auto context = tls::Context::server(wanted.files);
    if (!context) {
      problems.push_back({wanted.option, context.error().text()});
      continue;
    }
    const std::string warning =
        tls::expiry_warning(**context, wanted.files.certificate_file, SystemClock().wall());
    if (!warning.empty()) warnings.push_back(without_index(wanted.option) + ": " + warning);
  }
  const auto& listeners = config.submission.listeners;
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    if (listeners[i].client_ca.empty()) continue;
    const auto context = tls::Context::client({tls::Verification::kPeer, listeners[i].client_ca});
    if (!context) {
      problems.push_back({fmt::format("listener[{}].client_ca", i), context.error().text()});
    }
  }
  if (config.delivery.tls == policy::TlsLevel::kVerify) {
    const auto context = tls::Context::client({tls::Verification::kPeer, config.delivery.ca_file});
    if (!context) problems.push_back({"delivery.ca_file", context.error().text()});
  }
  return problems;
}

// Into `warnings` what is weak about keys that can be used.
std::vector<Problem> key_problems(const Config& config, std::vector<std::string>& warnings) {
  std::vector<Problem> problems;
  const auto& keys = config.signing.keys;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string option = fmt::format("dkim[{}].key", i);
    const auto key = signing::Key::read(keys[i].key_file);
    if (!key) {
      problems.push_back({option, key.error().text()});
      continue;
    }
    if ((*key)->algorithm() == signing::Algorithm::kRsa &&
        (*key)->bits() < signing::Key::kRsaBitsGood) {
      warnings.push_back(
          fmt::format("dkim.key: the RSA key in {} has {} bits; make one of {} (RFC 8301)",
                      keys[i].key_file, (*key)->bits(), signing::Key::kRsaBitsGood));
    }
    if (world_can_read(keys[i].key_file)) {
      warnings.push_back(
          fmt::format("dkim.key: {}: every user of this machine can read it", keys[i].key_file));
    }
  }
  return problems;
}

std::vector<Problem> password_problems(const Config& config) {
  std::vector<Problem> problems;
  const auto& routes = config.delivery.routes;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    if (routes[i].password_file.empty()) continue;
    const auto password = config::read_password(routes[i].password_file);
    if (password) continue;
    problems.push_back({fmt::format("route[{}].password_file", i), password.error().text()});
  }
  return problems;
}

// From the name of an option to the line that set it.
Problem located(const Problem& problem, const config::LoadResult& loaded, const std::string& file) {
  const auto line = loaded.lines.find(problem.where);
  const std::string where =
      line == loaded.lines.end() ? file : fmt::format("{}:{}", file, line->second);
  return {where, without_index(problem.where) + ": " + problem.what};
}

bool has_secrets(const Config& config) {
  return !config.admin.token.empty() || !config.auth.users.empty();
}

std::vector<std::string> warnings_of(const Examined& examined, const std::filesystem::path& file) {
  const Config& config = examined.loaded.config;
  std::vector<std::string> warnings;
  const auto servers = dns::servers_of(config.dns);
  if (!servers) warnings.push_back("dns.servers: " + servers.error().text());
  for (const Endpoint& server : servers.value_or(std::vector<Endpoint>())) {
    if (server.ip.is_loopback()) continue;
    warnings.push_back(fmt::format(
        "dns.servers: {}{} is not on this machine; whoever can forge its answers on "
        "the way can divert mail",
        server.to_string(), config.dns.servers.empty() ? ", of /etc/resolv.conf," : ""));
  }
  const bool has_login = std::any_of(
      config.submission.listeners.begin(), config.submission.listeners.end(),
      [](const auto& listener) { return listener.mode != smtp::ListenerMode::kTrusted; });
  if (has_login && examined.users == 0) {
    warnings.emplace_back("user: there is none, so nobody can log in");
  }
  if (config.delivery.allow_special_addresses) {
    warnings.emplace_back(
        "delivery.allow_special_addresses: mail can be sent to hosts of your own network");
  }
  if (config.admin.enabled && !config.admin.address.ip.is_loopback()) {
    warnings.emplace_back("admin.address: the token travels in clear text");
  }
  if (has_secrets(config) && world_can_read(file)) {
    warnings.push_back(
        fmt::format("{}: every user of this machine can read it, secrets included", file.string()));
  }
  return warnings;
}

std::string listeners_text(const Config& config) {
  std::string text;
  for (const auto& listener : config.submission.listeners) {
    if (!text.empty()) text += "\n             ";
    text += fmt::format("{} {}", listener.address.to_string(), smtp::name_of(listener.mode));
  }
  return text;
}

}  // namespace

Examined examine(const std::filesystem::path& file) {
  Examined examined{config::load_file(file), {}, {}};
  examined.problems = examined.loaded.problems;
  if (!examined.problems.empty()) return examined;
  const Config& config = examined.loaded.config;
  std::vector<Problem> found = config::check_file_access(config);
  std::ranges::move(config::check_local_addresses(config), std::back_inserter(found));
  // A file that cannot be read has its problem already.
  if (found.empty()) {
    found = certificate_problems(config, examined.warnings);
    std::ranges::move(key_problems(config, examined.warnings), std::back_inserter(found));
    std::ranges::move(password_problems(config), std::back_inserter(found));
  }
  for (const Problem& problem : found) {
    examined.problems.push_back(located(problem, examined.loaded, file.string()));
  }
  if (examined.problems.empty() && !config.auth.users_file.empty()) {
    config::UsersResult more = config::load_users(config.auth.users_file, config.auth.users);
    examined.problems = std::move(more.problems);
    examined.users = more.users.size();
  }
  examined.users += config.auth.users.size();
  const std::vector<std::string> more = warnings_of(examined, file);
  examined.warnings.insert(examined.warnings.end(), more.begin(), more.end());
  return examined;
}

std::string summary(const Examined& examined) {
  const Config& config = examined.loaded.config;
  const std::string_view tls = policy::name_of(config.delivery.tls);
  std::string out;
  const auto line = [&](std::string_view title, const std::string& text) {
    out += fmt::format("  {:<11}{}\n", title, text);
  };
  line("host name", config.server.host_name);
  line("listeners", listeners_text(config));
  line("users", format_count(examined.users, "user"));
  if (!config.signing.keys.empty()) {
    line("dkim", format_count(config.signing.keys.size(), "key") +
                     "; 'postrider dkim' prints their DNS records");
  }
  line("outbound", fmt::format("port {}, TLS {}", config.delivery.port, tls));
  line("retry", fmt::format("after {}, at most every {}, for {}",
                            config::format_duration(config.delivery.retry.first_interval),
                            config::format_duration(config.delivery.retry.interval_max),
                            config::format_duration(config.delivery.retry.lifetime)));
  line("queue", fmt::format("{}, at most {} or {}", config.store.directory,
                            format_count(config.queue.messages_max, "message"),
                            format_octets(config.queue.bytes_max)));
  line("journal", config.journal.file.empty() ? "none" : config.journal.file);
  line("admin", config.admin.enabled ? config.admin.address.to_string() : "off");
  return out;
}

void print_problems(const std::vector<Problem>& problems) {
  for (const Problem& problem : problems) {
    const std::string text = problem.where + ": " + problem.what + "\n";
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
}

int run_check(const std::filesystem::path& file, bool dump) {
  const Examined examined = examine(file);
  for (const std::string& warning : examined.warnings) complain("warning: " + warning);
  print_problems(examined.problems);
  if (!examined.problems.empty()) {
    complain(
        fmt::format("{} in {}", format_count(examined.problems.size(), "problem"), file.string()));
    return kBadConfig;
  }
  if (dump) {
    print(config::dump_toml(examined.loaded));
  } else {
    print(fmt::format("{}: configuration is good\n{}", file.string(), summary(examined)));
  }
  return kDone;
}

}  // namespace postrider::tool
