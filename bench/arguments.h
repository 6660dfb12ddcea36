// Arguments: the command line of a tool as a table of options: parsing, errors that name the
// nearest option, and the help page. Thread: one owner.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "relay/base/result.h"

namespace postrider::bench {

class Arguments {
 public:
  using Setter = std::function<Result<void>(std::string_view value)>;

  // Exit codes of both tools.
  static constexpr int kExitOk = 0;
  static constexpr int kExitFailed = 1;
  static constexpr int kExitUsage = 2;

  // `usage` is the line behind "usage:", `summary` the paragraph below it.
  Arguments(std::string usage, std::string summary);

  // An option that takes a value: `--name VALUE` or `--name=VALUE`. A repeated option calls `set`
  // again.
  void option(std::string name, std::string value_name, std::string help, Setter set);
  void text(std::string name, std::string value_name, std::string help, std::string& target);
  void texts(std::string name, std::string value_name, std::string help,
             std::vector<std::string>& target);
  // A whole number from `least` up.
  void count(std::string name, std::string value_name, std::string help, std::uint64_t& target,
             std::uint64_t least = 0);
  // An option without a value.
  void flag(std::string name, std::string help, bool& target);

  // True: go on. False: help was asked for. The targets hold what was read so far on an error.
  Result<bool> parse(const std::vector<std::string>& arguments) const;

  [[nodiscard]] std::string help() const;

 private:
  struct Option {
    std::string name;
    std::string value_name;  // empty: a flag
    std::string help;
    Setter set;
  };

  [[nodiscard]] const Option* find(std::string_view name) const;
  [[nodiscard]] Error unknown(std::string_view name) const;

  std::string usage_;
  std::string summary_;
  std::vector<Option> options_;
};

}  // namespace postrider::bench
