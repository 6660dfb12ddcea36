// `postrider check`, and what `serve` looks at before it starts: the configuration file and the
// files it names. Thread: main, before any other thread is started.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "relay/config/config.h"

namespace postrider::tool {

struct Examined {
  config::LoadResult loaded;
  // Of the file, of the files it names, of certificates and keys; empty: it can be served.
  std::vector<config::Problem> problems;
  // What is allowed but rarely meant: "dns.servers: ...".
  std::vector<std::string> warnings;
  // Of the configuration and of the file of users.
  std::size_t users = 0;
};

Examined examine(const std::filesystem::path& file);

// A few lines that tell an operator what the configuration does.
std::string summary(const Examined& examined);

// "where: what" lines on standard error.
void print_problems(const std::vector<config::Problem>& problems);

// Exit code. With `dump` every option goes to standard output, with the line that set it.
int run_check(const std::filesystem::path& file, bool dump);

}  // namespace postrider::tool
