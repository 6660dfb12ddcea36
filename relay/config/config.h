// Config: every option of the relay, as the modules' own Options, read from one TOML file.
//
// option_table.cc has a row an option; from it come parser, range checks, nearest-key suggestions,
// `check --dump`, the sample file and the reference page. Thread: values.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dns/resolver.h"
#include "queue/queue.h"
#include "queue/rocks_store.h"
#include "relay/admin/server.h"
#include "relay/auth/authenticator.h"
#include "relay/base/log.h"
#include "relay/base/result.h"
#include "relay/delivery/options.h"
#include "relay/journal/writer.h"
#include "relay/signing/options.h"
#include "relay/submission/options.h"
#include "relay/tls/context.h"

namespace postrider::config {

struct ServerConfig {
  // What we call ourselves in greeting, EHLO, Received and reports; empty: the system's full host
  // name.
  std::string host_name;
  std::string data_dir = "/var/lib/postrider";
  // The user to become after binding, when started as root.
  std::string user;
  // 0: one a core.
  unsigned workers = 0;
  log::Level log_level = log::Level::kInfo;
  // Plain passwords in [[user]] are allowed; for tests and demos.
  bool allow_plain_passwords = false;
};

struct Config {
  ServerConfig server;
  tls::ServerIdentity tls;  // of listeners that name none of their own; both empty: none
  submission::Options submission;
  auth::Options auth;
  signing::Options signing;
  delivery::Options delivery;
  dns::Options dns;
  queue::Options queue;
  queue::RocksOptions store;  // its directory is data_dir + "/queue"
  journal::Options journal;
  admin::Options admin;
};

// One mistake: where, and what with the nearest known key where that helps.
struct Problem {
  std::string where;  // "postrider.toml:12"; without a line where none is to blame
  std::string what;   // "server.hostnam: unknown key; did you mean 'host_name'?"

  bool operator==(const Problem&) const = default;
};

// Which line of the file set what: "delivery.port", "listener[0].address", and "listener[0]" for
// the header of an entry.
using Lines = std::map<std::string, unsigned>;

// All problems of the file, or the configuration.
struct LoadResult {
  Config config;
  std::vector<Problem> problems;  // in the order of lines; empty: config is good
  Lines lines;
};

// The users of a file of their own, or all that is wrong with it.
struct UsersResult {
  std::vector<auth::User> users;
  std::vector<Problem> problems;  // in the order of lines; empty: the users are good
  bool is_empty = false;          // the file has no octet, which `postrider user` never leaves
};

// A file with [[user]] sections and nothing else: auth.users_file. Plain passwords are refused, and
// names of `others`, the users of the main configuration.
UsersResult load_users(const std::filesystem::path& path,
                       const std::vector<auth::User>& others = {});

// The full host name of the system. Error: it has none.
Result<std::string> system_host_name();
using HostNameSource = std::function<Result<std::string>()>;

// Nothing is touched but the file; without server.host_name the system is asked for its name, which
// may ask the DNS. What follows from several options is filled in: the store's directory, the host
// name of sessions.
LoadResult load_file(const std::filesystem::path& path);
// `name` stands for the file in problems.
LoadResult load_text(std::string_view text, const std::string& name,
                     const HostNameSource& host_name = system_host_name);

}  // namespace postrider::config
