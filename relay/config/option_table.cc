#include "relay/config/option_table.h"

#include <algorithm>
#include <array>

#include "relay/base/ascii.h"
#include "relay/config/option_rows.h"

namespace postrider::config {

namespace {

constexpr std::size_t kListenersMax = 64;
constexpr std::size_t kUsersMax = 10'000;
constexpr std::size_t kRoutesMax = 10'000;
constexpr std::size_t kKeysMax = 10'000;
constexpr std::size_t kProvidersMax = 1000;
constexpr std::size_t kRepliesMax = 10'000;
constexpr std::size_t kSitesMax = 10'000;
constexpr std::size_t kSourcesMax = 1000;

constexpr std::array<Section, 19> kSections = {{
    {"server", "The relay as a whole."},
    {"tls", "The certificate of this relay, for TLS with its clients."},
    {"listener", "Where clients connect; one [[listener]] for each address.", kListenersMax},
    {"submission", "What clients may do, on all listeners."},
    {"auth", "How passwords are checked."},
    {"user", "Who may log in; one [[user]] for each, here or better in auth.users_file.",
     kUsersMax},
    {"signing", "How messages get their DKIM signatures, and which must have one."},
    {"dkim",
     "Keys that sign messages (DKIM, RFC 6376); one [[dkim]] for each, two of one domain for RSA "
     "and Ed25519 both.",
     kKeysMax},
    {"delivery", "How mail is sent on."},
    {"route",
     "Domains and tenants whose mail goes to a smart host or a mail store; one [[route]] "
     "for each.",
     kRoutesMax},
    {"retry", "When a delivery that failed for the time being is tried again, and given up."},
    {"dns", "How mail hosts are looked up."},
    {"provider",
     "What the providers of many domains may be given, all their sites together; one [[provider]] "
     "for each, after those that come with postrider.",
     kProvidersMax},
    {"reply",
     "What replies of a provider mean, where that differs from what they mean in general; the "
     "first [[reply]] of the provider that fits decides.",
     kRepliesMax},
    {"site", "What one destination may be given; one [[site]] for each.", kSitesMax},
    {"source", "Local addresses to send from; one [[source]] for each.", kSourcesMax},
    {"queue", "Limits of the queue and of its store on disk."},
    {"journal", "The record of what happened to every message."},
    {"admin", "Metrics, health and queue control over HTTP."},
}};

const std::vector<Option>& all_rows() {
  static const std::vector<Option> rows = [] {
    std::vector<Option> all;
    for (const auto part : {server_rows(), submission_rows(), signing_rows(), delivery_rows(),
                            site_rows(), storage_rows()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return rows;
}

// The closest of several names, if it is close enough to be a slip of the finger.
class Nearest {
 public:
  explicit Nearest(std::string_view wanted)
      : wanted_(ascii::lower(wanted.substr(0, kNameMax))), best_(limit() + 1) {}

  void offer(std::string_view candidate, const std::string& shown) {
    const std::size_t distance = ascii::edit_distance(wanted_, candidate);
    if (distance >= best_) return;
    best_ = distance;
    name_ = shown;
  }

  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  // Longer than any of ours; bounds the work on a name from outside.
  static constexpr std::size_t kNameMax = 64;

  [[nodiscard]] std::size_t limit() const {
    return std::clamp<std::size_t>(wanted_.size() / 3, 1, 4);
  }

  std::string wanted_;
  std::size_t best_;
  std::string name_;
};

}  // namespace

std::string Option::name() const {
  return std::string(section) + "." + std::string(key);
}

std::string Section::header() const {
  const std::string inner(name);
  return repeats() ? "[[" + inner + "]]" : "[" + inner + "]";
}

std::span<const Section> sections() {
  return kSections;
}

std::span<const Option> options() {
  return all_rows();
}

std::span<const Option> options_of(std::string_view section) {
  const auto all = options();
  const auto is_in = [&](const Option& option) { return option.section == section; };
  const auto first = std::find_if(all.begin(), all.end(), is_in);
  return {first, std::find_if_not(first, all.end(), is_in)};
}

const Section* find_section(std::string_view name) {
  const auto* found = std::find_if(kSections.begin(), kSections.end(),
                                   [&](const Section& section) { return section.name == name; });
  return found == kSections.end() ? nullptr : found;
}

const Option* find_option(std::string_view section, std::string_view key) {
  for (const Option& option : options_of(section)) {
    if (option.key == key) return &option;
  }
  return nullptr;
}

std::string nearest_key(std::string_view section, std::string_view key) {
  // A right key in the wrong section is more likely than a slip in this one; and where several have
  // it, one that holds for all is meant.
  for (const bool repeats : {false, true}) {
    for (const Option& option : options()) {
      if (option.key == key && find_section(option.section)->repeats() == repeats) {
        return option.name();
      }
    }
  }
  Nearest nearest(key);
  for (const Option& option : options_of(section)) {
    nearest.offer(option.key, std::string(option.key));
  }
  for (const Option& option : options()) nearest.offer(option.key, option.name());
  return nearest.name();
}

std::string nearest_section(std::string_view name) {
  for (const Option& option : options()) {
    if (option.key == name) return option.name();
  }
  Nearest nearest(name);
  for (const Section& section : sections()) nearest.offer(section.name, section.header());
  for (const Option& option : options()) nearest.offer(option.key, option.name());
  return nearest.name();
}

}  // namespace postrider::config
