#include "relay/config/option_value.h"

#include <array>
#include <cmath>
#include <fmt/format.h>
#include <type_traits>
#include <utility>

#include "relay/base/ascii.h"
#include "relay/base/check.h"

namespace postrider::config {

namespace {

using std::chrono::nanoseconds;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 9> kSizeUnits = {{
    {"TiB", 1ULL << 40},
    {"GiB", 1ULL << 30},
    {"MiB", 1ULL << 20},
    {"KiB", 1ULL << 10},
    {"TB", 1'000'000'000'000},
    {"GB", 1'000'000'000},
    {"MB", 1'000'000},
    {"KB", 1'000},
    {"B", 1},
}};

constexpr std::array<Unit, 5> kDurationUnits = {{
    {"d", 86'400'000'000'000},
    {"h", 3'600'000'000'000},
    {"m", 60'000'000'000},
    {"s", 1'000'000'000},
    {"ms", 1'000'000},
}};

// So that sums of a few of them do not overflow 64 bits.
constexpr std::uint64_t kScaledMax = std::numeric_limits<std::int64_t>::max() / 4;

// Digits and one of `units`; nullopt when it is anything else, or too large.
std::optional<std::uint64_t> parse_scaled(std::string_view text, std::span<const Unit> units) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  if (digits == std::string_view::npos) return std::nullopt;
  const auto number = ascii::parse_u64(text.substr(0, digits));
  const std::string_view name = ascii::trim(text.substr(digits));
  for (const Unit& unit : units) {
    if (!number || name != unit.name) continue;
    if (*number > kScaledMax / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

std::string_view type_of(const Value& value) {
  struct Namer {
    std::string_view operator()(bool) const { return "true or false"; }

    std::string_view operator()(std::int64_t) const { return "a whole number"; }

    std::string_view operator()(double) const { return "a number"; }

    std::string_view operator()(const std::string&) const { return "a text"; }

    std::string_view operator()(const std::vector<std::string>&) const { return "a list"; }

    std::string_view operator()(const Foreign& foreign) const { return foreign.type; }
  };

  return std::visit(Namer{}, value);
}

tl::unexpected<Error> wrong_type(std::string_view wanted, const Value& value) {
  return failure(fmt::format("expected {}, got {}", wanted, type_of(value)));
}

std::string format_number(double number) {
  std::string text = fmt::format("{}", number);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

// A bound of a range, in the words of the option's kind.
std::string format_bound(Kind kind, double bound) {
  switch (kind) {
    case Kind::kSize:
      return format_size(static_cast<std::uint64_t>(bound));
    case Kind::kDuration:
      return format_duration(nanoseconds(static_cast<std::int64_t>(std::llround(bound * 1e9))));
    case Kind::kNumber:
      return fmt::format("{}", bound);
    default:
      return fmt::format("{:.0f}", bound);
  }
}

std::string format_range(Kind kind, const Range& range) {
  const std::string low = format_bound(kind, range.low);
  if (std::isinf(range.high)) return low + " or more";
  return low + " to " + format_bound(kind, range.high);
}

Result<void> in_range(const Option& option, double number, std::string_view written) {
  if (option.range.contains(number)) return {};
  return failure(
      fmt::format("{} is out of range: {}", written, format_range(option.kind, option.range)));
}

// --- One setter a kind. Each parses, checks the range, and only then touches the slot.

Result<void> set_bool(bool& slot, const Value& value) {
  const auto* flag = std::get_if<bool>(&value);
  if (flag == nullptr) return wrong_type("true or false", value);
  slot = *flag;
  return {};
}

Result<std::uint64_t> count_of(const Option& option, const Value& value) {
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number == nullptr) return wrong_type("a whole number", value);
  if (auto good = in_range(option, static_cast<double>(*number), fmt::format("{}", *number)); !good)
    return failure(good.error());
  return static_cast<std::uint64_t>(*number);
}

Result<std::uint64_t> size_of(const Option& option, const Value& value) {
  Result<std::uint64_t> octets = 0;
  std::string written;
  if (const auto* number = std::get_if<std::int64_t>(&value); number != nullptr && *number >= 0) {
    octets = static_cast<std::uint64_t>(*number);
    written = fmt::format("{}", *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    octets = parse_size(*text);
    written = shown(*text);
  } else {
    return wrong_type("a size like \"64KiB\" or \"50MB\"", value);
  }
  if (!octets) return octets;
  if (auto good = in_range(option, static_cast<double>(*octets), written); !good)
    return failure(good.error());
  return octets;
}

template <class Integer>
Result<void> set_integer(Integer& slot, const Option& option, const Value& value) {
  const auto number = option.kind == Kind::kSize ? size_of(option, value) : count_of(option, value);
  if (!number) return failure(number.error());
  PR_CHECK(std::in_range<Integer>(*number), option.key);  // the row's range is wider than its slot
  slot = static_cast<Integer>(*number);
  return {};
}

Result<void> set_number(double& slot, const Option& option, const Value& value) {
  double number = 0;
  if (const auto* fraction = std::get_if<double>(&value)) {
    number = *fraction;
  } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    number = static_cast<double>(*whole);
  } else {
    return wrong_type("a number", value);
  }
  if (auto good = in_range(option, number, fmt::format("{}", number)); !good) return good;
  slot = number;
  return {};
}

template <class Unit>
Result<void> set_duration(Unit& slot, const Option& option, const Value& value) {
  if (std::holds_alternative<std::int64_t>(value)) {
    return failure("expected a duration like \"30s\", got a number without unit");
  }
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return wrong_type("a duration like \"30s\"", value);
  const auto parsed = parse_duration(*text);
  if (!parsed) return failure(parsed.error());
  const double seconds = std::chrono::duration<double>(*parsed).count();
  if (auto good = in_range(option, seconds, shown(*text)); !good) return good;
  const auto rounded = std::chrono::duration_cast<Unit>(*parsed);
  if (rounded != *parsed) return failure(shown(*text) + " is not a whole number of seconds");
  slot = rounded;
  return {};
}

Result<void> set_text(std::string& slot, const Option& option, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return wrong_type("a text in quotes", value);
  // Whoever reads it hands it to the system as a C string.
  if (text->find('\0') != std::string::npos) return failure("a NUL character has no place here");
  if (option.check != nullptr) {
    if (auto good = option.check(*text); !good) return good;
  }
  slot = *text;
  return {};
}

Result<void> set_address(std::optional<IpAddress>& slot, const Option& option, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return wrong_type("an IP address in quotes", value);
  if (text->empty()) {
    slot.reset();
    return {};
  }
  const auto address = IpAddress::parse(*text);
  if (!address) return failure(shown(*text) + " is not an IP address");
  if (auto good = option.check(*text); !good) return good;
  slot = *address;
  return {};
}

Result<void> set_endpoint(Endpoint& slot, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return wrong_type("an address with a port like \"192.0.2.1:25\"", value);
  const auto endpoint = Endpoint::parse(*text);
  if (!endpoint) return failure(endpoint.error());
  slot = *endpoint;
  return {};
}

Result<policy::Rate> rate_of(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return wrong_type("a rate like \"100/s\"", value);
  return policy::Rate::parse(*text);
}

Result<void> set_rate(policy::Rate& slot, const Value& value) {
  const auto rate = rate_of(value);
  if (!rate) return failure(rate.error());
  slot = *rate;
  return {};
}

template <class Item>
Result<void> set_list(std::vector<Item>& slot, const Option& option, const Value& value) {
  const auto* texts = std::get_if<std::vector<std::string>>(&value);
  if (texts == nullptr) return wrong_type("a list of texts like [\"...\", \"...\"]", value);
  const auto count = static_cast<double>(texts->size());
  if (!option.range.contains(count)) {
    return failure(
        fmt::format("{} entries are too many: at most {:.0f}", texts->size(), option.range.high));
  }
  std::vector<Item> items;
  items.reserve(texts->size());
  for (const std::string& text : *texts) {
    const auto item = Item::parse(text);
    if (!item) return failure(item.error());
    items.push_back(*item);
  }
  slot = std::move(items);
  return {};
}

Result<void> set_texts(std::vector<std::string>& slot, const Option& option, const Value& value) {
  const auto* texts = std::get_if<std::vector<std::string>>(&value);
  if (texts == nullptr) return wrong_type("a list of texts like [\"...\", \"...\"]", value);
  if (!option.range.contains(static_cast<double>(texts->size()))) {
    return failure(
        fmt::format("{} entries are too many: at most {:.0f}", texts->size(), option.range.high));
  }
  for (const std::string& text : *texts) {
    if (auto good = option.check(text); !good) return good;
  }
  slot = *texts;
  return {};
}

std::string quoted_choices(const Option& option) {
  std::string all;
  for (const std::string_view choice : option.choices) {
    if (!all.empty()) all += ", ";
    all += quote(choice);
  }
  return all;
}

template <class Choice>
Result<void> set_choice(Choice& slot, const Option& option, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return wrong_type("one of " + quoted_choices(option), value);
  for (std::size_t i = 0; i < option.choices.size(); ++i) {
    if (option.choices[i] != *text) continue;
    slot = static_cast<Choice>(i);
    return {};
  }
  return failure(fmt::format("{} is none of {}", shown(*text), quoted_choices(option)));
}

struct Setter {
  const Option& option;
  const Value& value;

  Result<void> operator()(bool* slot) const { return set_bool(*slot, value); }

  Result<void> operator()(unsigned* slot) const { return set_integer(*slot, option, value); }

  Result<void> operator()(std::uint16_t* slot) const { return set_integer(*slot, option, value); }

  Result<void> operator()(std::uint64_t* slot) const { return set_integer(*slot, option, value); }

  Result<void> operator()(double* slot) const { return set_number(*slot, option, value); }

  Result<void> operator()(Duration* slot) const { return set_duration(*slot, option, value); }

  Result<void> operator()(Milliseconds* slot) const { return set_duration(*slot, option, value); }

  Result<void> operator()(Seconds* slot) const { return set_duration(*slot, option, value); }

  Result<void> operator()(std::string* slot) const { return set_text(*slot, option, value); }

  Result<void> operator()(std::optional<IpAddress>* slot) const {
    return set_address(*slot, option, value);
  }

  Result<void> operator()(Endpoint* slot) const { return set_endpoint(*slot, value); }

  Result<void> operator()(std::vector<std::string>* slot) const {
    return set_texts(*slot, option, value);
  }

  Result<void> operator()(policy::Rate* slot) const { return set_rate(*slot, value); }

  Result<void> operator()(std::optional<policy::Rate>* slot) const {
    const auto* text = std::get_if<std::string>(&value);
    if (text != nullptr && text->empty()) {
      slot->reset();
      return {};
    }
    policy::Rate rate;
    auto done = set_rate(rate, value);
    if (done) *slot = rate;
    return done;
  }

  template <class Item>
  Result<void> operator()(std::vector<Item>* slot) const {
    return set_list(*slot, option, value);
  }

  template <class Choice>
  requires std::is_enum_v<Choice> Result<void>

  operator()(Choice* slot) const { return set_choice(*slot, option, value); }
};

struct Writer {
  const Option& option;

  std::string operator()(const bool* slot) const { return *slot ? "true" : "false"; }

  std::string operator()(const double* slot) const { return format_number(*slot); }

  std::string operator()(const std::string* slot) const { return quote(*slot); }

  std::string operator()(const Endpoint* slot) const { return quote(slot->to_string()); }

  std::string operator()(const std::optional<IpAddress>* slot) const {
    return quote(*slot ? (*slot)->to_string() : "");
  }

  std::string operator()(const policy::Rate* slot) const { return quote(slot->to_string()); }

  std::string operator()(const std::optional<policy::Rate>* slot) const {
    return quote(*slot ? (*slot)->to_string() : "");
  }

  template <class Integer>

  requires std::is_integral_v<Integer> std::string operator()(const Integer* slot) const {
    if (option.kind != Kind::kSize) return fmt::format("{}", *slot);
    const std::string text = format_size(*slot);
    return ascii::parse_u64(text) ? text : quote(text);
  }

  template <class Rep, class Period>
  std::string operator()(const std::chrono::duration<Rep, Period>* slot) const {
    return quote(format_duration(*slot));
  }

  template <class Item>
  std::string operator()(const std::vector<Item>* slot) const {
    std::string all;
    for (const Item& item : *slot) {
      if (!all.empty()) all += ", ";
      if constexpr (std::is_same_v<Item, std::string>) {
        all += quote(item);
      } else {
        all += quote(item.to_string());
      }
    }
    return "[" + all + "]";
  }

  template <class Choice>

  requires std::is_enum_v<Choice> std::string operator()(const Choice* slot) const {
    return quote(option.choices[static_cast<std::size_t>(*slot)]);
  }
};

struct Measurer {
  template <class Number>
  requires std::is_arithmetic_v<Number> std::optional<double>

  operator()(const Number* slot) const { return static_cast<double>(*slot); }

  template <class Rep, class Period>
  std::optional<double> operator()(const std::chrono::duration<Rep, Period>* slot) const {
    return std::chrono::duration<double>(*slot).count();
  }

  std::optional<double> operator()(const void*) const { return std::nullopt; }
};

}  // namespace

std::string shown(std::string_view text) {
  return "'" + ascii::printable(text, 100) + "'";
}

Result<void> assign(const Option& option, const Record& record, const Value& value) {
  return std::visit(Setter{option, value}, option.slot(record));
}

std::string literal(const Option& option, const Record& record) {
  return std::visit(Writer{option}, option.slot(record));
}

std::optional<double> numeric_value(const Option& option, const Record& record) {
  return std::visit(Measurer{}, option.slot(record));
}

std::string expected_value(const Option& option) {
  switch (option.kind) {
    case Kind::kBool:
      return "true or false";
    case Kind::kCount:
    case Kind::kNumber:
      return "number, " + format_range(option.kind, option.range);
    case Kind::kSize:
      return "size, " + format_range(option.kind, option.range);
    case Kind::kDuration:
      return "duration, " + format_range(option.kind, option.range);
    case Kind::kAddress:
      return "IP address";
    case Kind::kEndpoint:
      return "address:port";
    case Kind::kRate:
      return "rate: number/s, /m, /h, /d, /10s, or \"none\"";
    case Kind::kEndpoints:
      return fmt::format("list of address:port, at most {:.0f}", option.range.high);
    case Kind::kNetworks:
      return fmt::format("list of networks, at most {:.0f}", option.range.high);
    case Kind::kPath:
      return "absolute path";
    case Kind::kChoice:
      return "one of " + quoted_choices(option);
    case Kind::kText:
      return "text";
    case Kind::kTexts:
      return fmt::format("list of texts, at most {:.0f}", option.range.high);
    case Kind::kSecret:
      return "secret text";
  }
  return {};
}

Result<std::uint64_t> parse_size(std::string_view text) {
  if (const auto plain = ascii::parse_u64(text); plain && *plain <= kScaledMax) return *plain;
  const auto octets = parse_scaled(text, kSizeUnits);
  if (octets) return *octets;
  return failure(shown(text) +
                 " is not a size like \"64KiB\" or \"50MB\" (units B, KB, MB, GB, TB of 1000, KiB, "
                 "MiB, GiB, TiB of 1024)");
}

std::string format_size(std::uint64_t octets) {
  if (octets == 0) return "0";
  for (const Unit& unit : std::span(kSizeUnits).first(4)) {
    if (octets % unit.factor == 0) return fmt::format("{}{}", octets / unit.factor, unit.name);
  }
  return fmt::format("{}", octets);
}

Result<nanoseconds> parse_duration(std::string_view text) {
  const auto scaled = parse_scaled(text, kDurationUnits);
  if (scaled) return nanoseconds(static_cast<std::int64_t>(*scaled));
  return failure(shown(text) + " is not a duration like \"30s\" (units ms, s, m, h, d)");
}

std::string format_duration(nanoseconds duration) {
  const auto count = static_cast<std::uint64_t>(duration.count());
  if (count == 0) return "0s";
  for (const Unit& unit : kDurationUnits) {
    if (count % unit.factor == 0) return fmt::format("{}{}", count / unit.factor, unit.name);
  }
  return fmt::format("{}ns", count);
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace postrider::config
