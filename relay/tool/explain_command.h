// `postrider explain ADDRESS`: what would become of mail for an address. A running relay is asked;
// without one the answer is worked out here, by the same code. Nothing is sent. Thread: main.
#pragma once

#include <filesystem>
#include <string>

#include "relay/base/result.h"

namespace postrider::tool {

struct ExplainRequest {
  std::string address;
  std::string tenant;
  bool json = false;     // print the answer as it came
  bool offline = false;  // ask no relay

  // Where the relay is: `admin` as ADDR:PORT, else what the file says.
  std::string admin;
  std::filesystem::path config;
  bool config_given = false;
};

// Exit code; the answer on standard output, what went wrong on standard error.
int run_explain(const ExplainRequest& request);

// The answer in words.
Result<std::string> show_explanation(std::string_view body);

}  // namespace postrider::tool
