// `postrider dkim`: what belongs into the DNS for the keys of the configuration. Thread: main.
#pragma once

#include <filesystem>
#include <string>

namespace postrider::tool {

// A TXT record in the form of a zone file; `text` is cut into strings of at most 255 octets
// (RFC 1035 section 3.3.14), which readers put together again.
std::string txt_record(const std::string& name, std::string text);

// Prints a record for each [[dkim]]. Exit code.
int run_dkim(const std::filesystem::path& config);

}  // namespace postrider::tool
