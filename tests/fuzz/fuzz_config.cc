// The configuration file: any octets load into a configuration or into problems, each in one line
// that is safe to print, and a good one says the same again after being dumped.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "relay/config/config.h"
#include "relay/config/reference.h"

namespace {

using postrider::config::load_text;
using postrider::config::LoadResult;

// The system's own name is no part of the input.
postrider::Result<std::string> host_name() {
  return std::string("relay.example.com");
}

bool is_one_line(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return !text.empty();
}

bool has_users(const LoadResult& loaded) {
  // A dump hides their secrets, so it cannot be loaded again.
  return !loaded.config.auth.users.empty() || !loaded.config.admin.token.empty();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const LoadResult loaded = load_text(text, "fuzz", host_name);
  for (const auto& problem : loaded.problems) {
    if (!is_one_line(problem.what) || !problem.where.starts_with("fuzz")) std::abort();
  }
  const std::string dump = postrider::config::dump_toml(loaded);
  if (!loaded.problems.empty() || has_users(loaded)) return 0;
  const LoadResult again = load_text(dump, "dump", host_name);
  if (!again.problems.empty()) std::abort();
  return 0;
}
