#include "relay/tool/dkim_command.h"

#include <fmt/format.h>
#include <set>

#include "relay/config/config.h"
#include "relay/signing/key.h"
#include "relay/tool/check.h"
#include "relay/tool/terminal.h"
#include "relay/tool/tool.h"

namespace postrider::tool {

namespace {

constexpr std::size_t kStringMax = 255;

}  // namespace

std::string txt_record(const std::string& name, std::string text) {
  std::string out = name + ". IN TXT (";
  while (!text.empty()) {
    out += " \"" + text.substr(0, kStringMax) + "\"";
    text.erase(0, kStringMax);
  }
  return out + " )\n";
}

int run_dkim(const std::filesystem::path& config) {
  const config::LoadResult loaded = config::load_file(config);
  if (!loaded.problems.empty()) {
    print_problems(loaded.problems);
    return kBadConfig;
  }
  if (loaded.config.signing.keys.empty()) {
    complain(fmt::format("{} has no [[dkim]]", config.string()));
    return kFailed;
  }
  int code = kDone;
  std::set<std::string> seen;  // one key may sign for several tenants
  for (const signing::KeyOptions& options : loaded.config.signing.keys) {
    const auto key = signing::Key::read(options.key_file);
    if (!key) {
      complain(key.error().text());
      code = kFailed;
      continue;
    }
    const std::string line = txt_record(
        fmt::format("{}._domainkey.{}", options.selector, options.domain), (*key)->record());
    if (seen.insert(line).second) print(line);
  }
  return code;
}

}  // namespace postrider::tool
