#include "bench/arguments.h"

#include <algorithm>
#include <utility>

#include "bench/quantity.h"
#include "relay/base/ascii.h"

namespace postrider::bench {

Arguments::Arguments(std::string usage, std::string summary)
    : usage_(std::move(usage)), summary_(std::move(summary)) {}

void Arguments::option(std::string name, std::string value_name, std::string help, Setter set) {
  options_.push_back({std::move(name), std::move(value_name), std::move(help), std::move(set)});
}

void Arguments::text(std::string name, std::string value_name, std::string help,
                     std::string& target) {
  option(std::move(name), std::move(value_name), std::move(help),
         [&target](std::string_view value) -> Result<void> {
           target = value;
           return {};
         });
}

void Arguments::texts(std::string name, std::string value_name, std::string help,
                      std::vector<std::string>& target) {
  option(std::move(name), std::move(value_name), std::move(help),
         [&target](std::string_view value) -> Result<void> {
           target.emplace_back(value);
           return {};
         });
}

void Arguments::count(std::string name, std::string value_name, std::string help,
                      std::uint64_t& target, std::uint64_t least) {
  option(std::move(name), std::move(value_name), std::move(help),
         [&target, least](std::string_view value) -> Result<void> {
           const auto number = parse_count(value);
           if (!number) return failure(number.error());
           if (*number < least) return failure("must be at least " + std::to_string(least));
           target = *number;
           return {};
         });
}

void Arguments::flag(std::string name, std::string help, bool& target) {
  option(std::move(name), "", std::move(help), [&target](std::string_view) -> Result<void> {
    target = true;
    return {};
  });
}

const Arguments::Option* Arguments::find(std::string_view name) const {
  const auto found = std::find_if(options_.begin(), options_.end(),
                                  [&](const Option& option) { return option.name == name; });
  return found == options_.end() ? nullptr : &*found;
}

Error Arguments::unknown(std::string_view name) const {
  std::string text = "unknown option '" + ascii::printable(name, 64) + "'";
  const Option* nearest = nullptr;
  std::size_t least = 4;  // further away it is no slip of the finger
  for (const Option& option : options_) {
    const std::size_t distance = ascii::edit_distance(name.substr(0, 64), option.name);
    if (distance < least) {
      least = distance;
      nearest = &option;
    }
  }
  if (nearest != nullptr) text += "; did you mean " + nearest->name + "?";
  return Error(text);
}

Result<bool> Arguments::parse(const std::vector<std::string>& arguments) const {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") return false;
    const std::size_t equals = argument.starts_with("--") ? argument.find('=') : argument.npos;
    const std::string name = argument.substr(0, equals);
    const Option* option = find(name);
    if (option == nullptr) return failure(unknown(name));
    std::string value;
    if (option->value_name.empty()) {
      if (equals != argument.npos) return failure(name + " takes no value");
    } else if (equals != argument.npos) {
      value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return failure(name + " needs a value (" + option->value_name + ")");
    }
    if (auto set = option->set(value); !set) return failure(set.error().within(name));
  }
  return true;
}

std::string Arguments::help() const {
  std::string page = "usage: " + usage_ + "\n\n" + summary_ + "\n\n";
  std::size_t width = 0;
  const auto head = [](const Option& option) {
    return option.value_name.empty() ? option.name : option.name + " " + option.value_name;
  };
  for (const Option& option : options_) width = std::max(width, head(option).size());
  for (const Option& option : options_) {
    std::string line = "  " + head(option);
    line.resize(width + 4, ' ');
    // Further lines of a help text stand below its first.
    for (const char c : option.help) {
      line += c;
      if (c == '\n') line.append(width + 4, ' ');
    }
    page += line + "\n";
  }
  return page;
}

}  // namespace postrider::bench
