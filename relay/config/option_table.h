// The option table: a row an option, and everything that can be said about an option from its row.
//
// Not here: reading a file (loader), rules between options (checks), pages (reference). The rows
// stand in rows_*.cc. Adding an option is a member of a module's Options and a row; a unit test
// counts the members. Thread: immutable.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/ip.h"
#include "relay/base/log.h"
#include "relay/base/result.h"
#include "relay/config/config.h"

namespace postrider::config {

enum class Kind : std::uint8_t {
  kBool,
  kCount,     // a whole number
  kNumber,    // a number with a fraction
  kSize,      // octets: "64KiB", "50MB", or a plain number
  kDuration,  // "500ms", "30s", "5m", "4h", "5d"
  kAddress,   // an IP address without a port; "" is none
  kEndpoint,  // an IP address with a port
  kRate,      // "100/s", "10/m", "1/30s", "none"; "" where it may be left unsaid
  kEndpoints,
  kNetworks,
  kPath,    // absolute
  kChoice,  // one of a few words
  kText,
  kTexts,
  kSecret,  // as text, but never shown
};

// What a section of the file fills: the configuration, or one entry of a section that repeats.
struct Record {
  Config* config = nullptr;
  submission::ListenerOptions* listener = nullptr;  // for rows of [[listener]]
  auth::User* user = nullptr;                       // for rows of [[user]]
  delivery::RouteOptions* route = nullptr;          // for rows of [[route]]
  signing::KeyOptions* dkim = nullptr;              // for rows of [[dkim]]
  delivery::ProviderOptions* provider = nullptr;    // for rows of [[provider]]
  delivery::ReplyOptions* reply = nullptr;          // for rows of [[reply]]
  delivery::SiteOptions* site = nullptr;            // for rows of [[site]]
  delivery::SourceOptions* source = nullptr;        // for rows of [[source]]
};

// The member that an option sets.
using Slot =
    std::variant<bool*, unsigned*, std::uint16_t*, std::uint64_t*, double*, Duration*,
                 Milliseconds*, Seconds*, std::string*, std::optional<IpAddress>*, Endpoint*,
                 std::vector<Endpoint>*, std::vector<Network>*, std::vector<std::string>*,
                 log::Level*, smtp::ListenerMode*, smtp::Protocol*, smtp::LoginMechanism*,
                 policy::TlsLevel*, signing::Canonicalization*, policy::Then*, message::Band*,
                 policy::Rate*, std::optional<policy::Rate>*>;
static_assert(std::is_same_v<std::size_t, std::uint64_t>, "one slot serves both");

// Both ends belong to it. In the option's own unit: a number, octets, seconds, entries of a list.
struct Range {
  double low = 0;
  double high = std::numeric_limits<double>::infinity();

  [[nodiscard]] bool contains(double value) const { return value >= low && value <= high; }
};

struct Option {
  std::string_view section;
  std::string_view key;
  Kind kind;
  Slot (*slot)(const Record&);
  Range range{};
  std::span<const std::string_view> choices{};   // kChoice: in the order of the enumerators
  Result<void> (*check)(std::string_view) = {};  // of a text, or of each in a list, beyond its kind
  std::string_view help;                         // one sentence
  std::string_view more{};                       // when to change it, what it costs
  std::string_view sample{};                     // TOML value that the sample file sets
  std::string_view example{};                    // TOML value shown where the default is empty
  bool live = false;                             // may change without a restart
  std::string_view since = "0.1";

  // "delivery.port"
  [[nodiscard]] std::string name() const;
};

struct Section {
  std::string_view name;
  std::string_view help;
  std::size_t entries_max = 1;  // more than 1: [[name]] may stand so often

  [[nodiscard]] bool repeats() const { return entries_max > 1; }

  // "[delivery]", "[[listener]]"
  [[nodiscard]] std::string header() const;
};

// In the order in which pages show them.
std::span<const Section> sections();
// All rows, those of one section in a row, sections in the order of sections().
std::span<const Option> options();
std::span<const Option> options_of(std::string_view section);

const Section* find_section(std::string_view name);
const Option* find_option(std::string_view section, std::string_view key);

// The known key of `section`, or the dotted name from another one, that is likely meant by `key`;
// "" where none is near.
std::string nearest_key(std::string_view section, std::string_view key);
// The section, or the dotted name of an option, likely meant by a name at top level; "" where none.
std::string nearest_section(std::string_view name);

}  // namespace postrider::config
