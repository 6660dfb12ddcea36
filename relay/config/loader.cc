// The one file that knows TOML: reads the text, hands every value to its option, and keeps lines.
#include <cerrno>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <memory>
#include <set>
#include <utility>

#include <toml++/toml.h>

#include "relay/base/ascii.h"
#include "relay/base/file.h"
#include "relay/config/checks.h"
#include "relay/config/config.h"
#include "relay/config/key_depth.h"
#include "relay/config/known_providers.h"
#include "relay/config/option_value.h"
#include "relay/config/problems.h"

namespace postrider::config {

namespace {

// Octets of the file: some ten thousand users.
constexpr std::size_t kFileMax = 4U << 20;

std::string shown_key(std::string_view key) {
  return ascii::printable(key, 60);
}

unsigned line_of(const toml::source_region& source) {
  return source.begin.line;
}

std::string_view type_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    default:
      return "a value";
  }
}

Value list_of(const toml::array& array) {
  std::vector<std::string> texts;
  texts.reserve(array.size());
  for (const toml::node& node : array) {
    const auto* text = node.as_string();
    if (text == nullptr) return Foreign{"a list with something that is no text"};
    texts.push_back(text->get());
  }
  return texts;
}

Value value_of(const toml::node& node) {
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* array = node.as_array()) return list_of(*array);
  return Foreign{type_of(node)};
}

std::string did_you_mean(const std::string& name) {
  return name.empty() ? "" : fmt::format("; did you mean '{}'?", name);
}

class Loader {
 public:
  // `only`: the one section that the file may have; "": all.
  Loader(LoadResult& result, ProblemList& problems, std::string_view only = "")
      : result_(result), problems_(problems), only_(only) {}

  void load(const toml::table& root);

 private:
  void entry(const Section& section, const std::string& prefix, const Record& record,
             const toml::table& table);
  void entries(const Section& section, const toml::node& node);
  Record new_record(const Section& section);

  LoadResult& result_;
  ProblemList& problems_;
  std::string_view only_;
};

void Loader::load(const toml::table& root) {
  for (const auto& [key, node] : root) {
    const Section* section = find_section(key.str());
    const unsigned line = line_of(key.source());
    if (section == nullptr) {
      const std::string_view what =
          node.is_table() || node.is_array_of_tables() ? "unknown section" : "unknown key";
      problems_.add(line, fmt::format("{}: {}{}", shown_key(key.str()), what,
                                      did_you_mean(nearest_section(key.str()))));
    } else if (!only_.empty() && section->name != only_) {
      problems_.add(
          line, fmt::format("{}: this file has nothing but [[{}]] sections", section->name, only_));
    } else if (section->repeats()) {
      entries(*section, node);
    } else if (const auto* table = node.as_table()) {
      entry(*section, std::string(section->name), Record{&result_.config}, *table);
    } else {
      problems_.add(
          line, fmt::format("{}: a section is written {}, once", section->name, section->header()));
    }
  }
}

// Sections that repeat: [[listener]], [[user]], [[route]] and the like.
void Loader::entries(const Section& section, const toml::node& node) {
  const auto* array = node.as_array();
  // An empty list is an array of no tables too; it says what leaving it out says.
  if (array == nullptr || (!array->empty() && !array->is_homogeneous<toml::table>())) {
    problems_.add(line_of(node.source()), fmt::format("{}: an entry of this section is written {}",
                                                      section.name, section.header()));
    return;
  }
  if (array->size() > section.entries_max) {
    problems_.add(line_of(node.source()),
                  fmt::format("{}: {} entries are too many: at most {}", section.name,
                              array->size(), section.entries_max));
    return;
  }
  for (std::size_t i = 0; i < array->size(); ++i) {
    const toml::table& table = *array->get(i)->as_table();
    const std::string prefix = fmt::format("{}[{}]", section.name, i);
    result_.lines[prefix] = line_of(table.source());
    entry(section, prefix, new_record(section), table);
  }
}

// Valid until the next entry.
Record Loader::new_record(const Section& section) {
  Config& config = result_.config;
  if (section.name == "listener") return {&config, &config.submission.listeners.emplace_back()};
  if (section.name == "user") return {.user = &config.auth.users.emplace_back()};
  if (section.name == "route") return {.route = &config.delivery.routes.emplace_back()};
  if (section.name == "dkim") return {.dkim = &config.signing.keys.emplace_back()};
  if (section.name == "provider") return {.provider = &config.delivery.providers.emplace_back()};
  if (section.name == "reply") return {.reply = &config.delivery.replies.emplace_back()};
  if (section.name == "site") return {.site = &config.delivery.sites.emplace_back()};
  return {.source = &config.delivery.sources.emplace_back()};
}

void Loader::entry(const Section& section, const std::string& prefix, const Record& record,
                   const toml::table& table) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + "." + std::string(key.str());
    const Option* option = find_option(section.name, key.str());
    if (option == nullptr) {
      problems_.add(line_of(key.source()),
                    fmt::format("{}.{}: unknown key{}", section.name, shown_key(key.str()),
                                did_you_mean(nearest_key(section.name, key.str()))));
      continue;
    }
    result_.lines[name] = line_of(key.source());
    if (auto done = assign(*option, record, value_of(node)); !done) {
      problems_.add_bad_value(result_.lines, name, done.error().text());
    }
  }
}

// What toml++ says, in one line.
std::string describe(const toml::parse_error& error) {
  return "not TOML: " + ascii::printable(error.description(), 300);
}

// Into `result`; false: it is not even TOML.
bool load_sections(LoadResult& result, std::string_view text, std::string_view only,
                   ProblemList& problems) {
  if (text.size() > kFileMax) {
    problems.add(0, fmt::format("larger than {} MiB", kFileMax >> 20));
    return false;
  }
  if (const auto line = find_deep_key(text)) {
    problems.add(*line, fmt::format("a key of more than {} parts", kKeyDotsMax + 1));
    return false;
  }
  try {
    const toml::table root = toml::parse(text);
    Loader(result, problems, only).load(root);
    return true;
  } catch (const toml::parse_error& error) {
    problems.add(line_of(error.source()), describe(error));
  } catch (const std::exception& error) {
    problems.add(0, "cannot be parsed: " + ascii::printable(error.what(), 300));
  }
  return false;
}

}  // namespace

LoadResult load_file(const std::filesystem::path& path) {
  const auto text = read_file(path, kFileMax);
  if (text) return load_text(*text, path.string());
  LoadResult result;
  result.problems.push_back({path.string(), text.error().text()});
  return result;
}

namespace {

// The providers that come with postrider, behind those of the file; one of the file takes the place
// of that of its name.
void add_known_providers(delivery::Options& delivery, ProblemList& problems) {
  LoadResult known;
  if (!load_sections(known, known_providers(), "", problems)) return;
  std::set<std::string> taken;
  for (const auto& provider : delivery.providers) taken.insert(provider.name);
  for (auto& provider : known.config.delivery.providers) {
    if (!taken.contains(provider.name)) delivery.providers.push_back(std::move(provider));
  }
  for (auto& reply : known.config.delivery.replies) {
    if (!taken.contains(reply.provider)) delivery.replies.push_back(std::move(reply));
  }
}

}  // namespace

LoadResult load_text(std::string_view text, const std::string& name,
                     const HostNameSource& host_name) {
  LoadResult result;
  ProblemList problems(name);
  if (load_sections(result, text, "", problems)) {
    if (result.config.delivery.known_providers) {
      add_known_providers(result.config.delivery, problems);
    }
    finish(result.config, result.lines, host_name, problems);
  }
  result.problems = problems.take();
  return result;
}

UsersResult load_users(const std::filesystem::path& path, const std::vector<auth::User>& others) {
  const auto text = read_file(path, kFileMax);
  if (!text) return {{}, {{path.string(), text.error().text()}}};
  LoadResult result;
  ProblemList problems(path.string());
  if (load_sections(result, *text, "user", problems)) {
    check_users(result.config, others, result.lines, problems);
  }
  return {std::move(result.config.auth.users), problems.take(), text->empty()};
}

}  // namespace postrider::config
