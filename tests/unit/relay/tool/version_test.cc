#include "relay/tool/version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "relay/base/ascii.h"

namespace postrider::tool {
namespace {

TEST(Version, TellsWhatItWasBuiltFrom) {
  const std::string text = version_text();
  EXPECT_THAT(text, testing::StartsWith("postrider " + std::string(version()) + "\n"));
  for (const char* library : {"libuv 1.", "OpenSSL 3.", "c-ares 1.", "RocksDB ", "toml++ 3."}) {
    EXPECT_THAT(text, testing::HasSubstr(library));
  }
}

TEST(Version, EveryLibraryHasANumber) {
  const std::string text = version_text();
  const std::string libraries = text.substr(text.find("libraries"));
  for (const std::string_view entry : ascii::split(libraries, ',')) {
    const bool has_digit = entry.find_first_of("0123456789") != std::string_view::npos;
    EXPECT_TRUE(has_digit || entry == "\n") << entry;
  }
}

TEST(Version, FitsATerminal) {
  const std::string text = version_text();
  for (const std::string_view line : ascii::split(text, '\n')) EXPECT_LE(line.size(), 80U) << line;
}

}  // namespace
}  // namespace postrider::tool
