#include "relay/config/option_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postrider::config {
namespace {

using std::chrono::nanoseconds;
using testing::HasSubstr;

class OptionValue : public testing::Test {
 protected:
  // The literal after setting "section.key", or "error: ..." and the literal as before.
  std::string set(std::string_view name, const Value& value) {
    const std::size_t dot = name.find('.');
    const Option* option = find_option(name.substr(0, dot), name.substr(dot + 1));
    if (option == nullptr) return "no such option";
    const Record record{&config_,   &listener_, &user_, &route_, &dkim_,
                        &provider_, &reply_,    &site_, &source_};
    const std::string before = literal(*option, record);
    const auto done = assign(*option, record, value);
    if (done) return literal(*option, record);
    EXPECT_EQ(literal(*option, record), before) << "an error changed the option";
    return "error: " + done.error().text();
  }

  std::string set(std::string_view name, const char* text) {
    return set(name, Value(std::string(text)));
  }

  Config config_;
  submission::ListenerOptions listener_;
  auth::User user_;
  delivery::RouteOptions route_;
  signing::KeyOptions dkim_;
  delivery::ProviderOptions provider_;
  delivery::ReplyOptions reply_;
  delivery::SiteOptions site_;
  delivery::SourceOptions source_;
};

TEST_F(OptionValue, EveryDefaultIsReadBackAsItIsWritten) {
  for (const Option& option : options()) {
    const Record record{&config_,   &listener_, &user_, &route_, &dkim_,
                        &provider_, &reply_,    &site_, &source_};
    EXPECT_FALSE(literal(option, record).empty()) << option.name();
    EXPECT_FALSE(expected_value(option).empty()) << option.name();
  }
}

TEST_F(OptionValue, Rate) {
  EXPECT_EQ(set("delivery.message_rate", "100/s"), "\"100/s\"");
  EXPECT_EQ(set("delivery.message_rate", "none"), "\"none\"");
  EXPECT_THAT(set("delivery.message_rate", ""), HasSubstr("error: '' is not a rate"));
  EXPECT_THAT(set("delivery.message_rate", "5"), HasSubstr("error: '5' is not a rate"));
  EXPECT_EQ(set("delivery.message_rate", Value(std::int64_t{5})),
            "error: expected a rate like \"100/s\", got a whole number");
}

TEST_F(OptionValue, ARateMayBeLeftUnsaid) {
  EXPECT_EQ(set("site.message_rate", "1/30s"), "\"1/30s\"");
  EXPECT_EQ(set("site.message_rate", "none"), "\"none\"");
  EXPECT_EQ(set("site.message_rate", ""), "\"\"");
  EXPECT_THAT(set("site.message_rate", "0/s"), HasSubstr("error: '0/s' is not a rate"));
}

TEST_F(OptionValue, Bool) {
  EXPECT_EQ(set("dns.ipv6", Value(false)), "false");
  EXPECT_EQ(set("dns.ipv6", "false"), "error: expected true or false, got a text");
  EXPECT_EQ(set("dns.ipv6", Value(std::int64_t{1})),
            "error: expected true or false, got a whole number");
}

TEST_F(OptionValue, Count) {
  EXPECT_EQ(set("delivery.port", Value(std::int64_t{2525})), "2525");
  EXPECT_EQ(set("delivery.port", Value(std::int64_t{0})), "error: 0 is out of range: 1 to 65535");
  EXPECT_EQ(set("delivery.port", Value(std::int64_t{65'536})),
            "error: 65536 is out of range: 1 to 65535");
  EXPECT_EQ(set("delivery.port", Value(std::int64_t{-1})), "error: -1 is out of range: 1 to 65535");
  EXPECT_EQ(set("delivery.port", Value(25.0)), "error: expected a whole number, got a number");
  EXPECT_EQ(set("delivery.port", "25"), "error: expected a whole number, got a text");
}

TEST_F(OptionValue, Number) {
  EXPECT_EQ(set("retry.growth", Value(1.5)), "1.5");
  EXPECT_EQ(set("retry.growth", Value(std::int64_t{3})), "3.0");
  EXPECT_EQ(set("retry.growth", Value(0.5)), "error: 0.5 is out of range: 1 to 10");
  EXPECT_EQ(set("retry.growth", "2"), "error: expected a number, got a text");
  const double not_a_number = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(set("retry.growth", Value(not_a_number)), "error: nan is out of range: 1 to 10");
}

TEST_F(OptionValue, Size) {
  EXPECT_EQ(set("submission.message_size_max", "64KiB"), "\"64KiB\"");
  EXPECT_EQ(set("submission.message_size_max", "50 MB"), "50000000");
  EXPECT_EQ(set("submission.message_size_max", Value(std::int64_t{4096})), "\"4KiB\"");
  EXPECT_EQ(set("submission.message_size_max", "10TiB"),
            "error: '10TiB' is out of range: 1KiB to 2GiB");
  EXPECT_THAT(set("submission.message_size_max", "50mb"),
              HasSubstr("error: '50mb' is not a size like \"64KiB\" or \"50MB\""));
  EXPECT_EQ(set("submission.message_size_max", Value(true)),
            "error: expected a size like \"64KiB\" or \"50MB\", got true or false");
  EXPECT_EQ(set("submission.message_size_max", Value(std::int64_t{-5})),
            "error: expected a size like \"64KiB\" or \"50MB\", got a whole number");
}

TEST_F(OptionValue, DurationInEachUnitOfTheProgram) {
  EXPECT_EQ(set("delivery.connect_timeout", "1500ms"), "\"1500ms\"");
  EXPECT_EQ(set("retry.first_interval", "90s"), "\"90s\"");
  EXPECT_EQ(set("retry.lifetime", "48h"), "\"2d\"");
  EXPECT_EQ(set("dns.ttl_min", "10s"), "\"10s\"");
}

TEST_F(OptionValue, DurationErrors) {
  EXPECT_EQ(set("dns.ttl_min", "1500ms"), "error: '1500ms' is not a whole number of seconds");
  EXPECT_EQ(set("retry.lifetime", Value(std::int64_t{5})),
            "error: expected a duration like \"30s\", got a number without unit");
  EXPECT_EQ(set("retry.lifetime", "5"),
            "error: '5' is not a duration like \"30s\" (units ms, s, m, h, d)");
  EXPECT_EQ(set("retry.lifetime", "1h30m"),
            "error: '1h30m' is not a duration like \"30s\" (units ms, s, m, h, d)");
  EXPECT_EQ(set("retry.lifetime", "31d"), "error: '31d' is out of range: 1s to 30d");
  EXPECT_EQ(set("retry.lifetime", Value(true)),
            "error: expected a duration like \"30s\", got true or false");
}

TEST_F(OptionValue, Choice) {
  EXPECT_EQ(set("delivery.tls", "verify"), "\"verify\"");
  EXPECT_EQ(config_.delivery.tls, policy::TlsLevel::kVerify);
  EXPECT_EQ(set("server.log_level", "error"), "\"error\"");
  EXPECT_EQ(config_.server.log_level, log::Level::kError);
  EXPECT_EQ(set("listener.mode", "trusted"), "\"trusted\"");
  EXPECT_EQ(listener_.mode, smtp::ListenerMode::kTrusted);
  EXPECT_EQ(set("delivery.tls", "Verify"),
            R"(error: 'Verify' is none of "none", "may", "encrypt", "verify")");
  EXPECT_EQ(set("delivery.tls", Value(true)),
            R"(error: expected one of "none", "may", "encrypt", "verify", got true or false)");
}

TEST_F(OptionValue, AddressesAndNetworks) {
  EXPECT_EQ(set("delivery.source_ipv4", "192.0.2.10"), "\"192.0.2.10\"");
  EXPECT_EQ(set("delivery.source_ipv4", ""), "\"\"");
  EXPECT_EQ(set("delivery.source_ipv4", "2001:db8::1"),
            "error: '2001:db8::1' is not an IPv4 address");
  EXPECT_EQ(set("delivery.source_ipv6", "192.0.2.10"),
            "error: '192.0.2.10' is not an IPv6 address");
  EXPECT_EQ(set("delivery.source_ipv6", "mx"), "error: 'mx' is not an IP address");
  EXPECT_EQ(set("listener.address", "[::1]:587"), "\"[::1]:587\"");
  EXPECT_THAT(set("listener.address", "587"), HasSubstr("'587' is not an address with a port"));
  EXPECT_EQ(set("listener.address", Value(std::int64_t{587})),
            "error: expected an address with a port like \"192.0.2.1:25\", got a whole number");
}

TEST_F(OptionValue, Lists) {
  using List = std::vector<std::string>;
  EXPECT_EQ(set("dns.servers", Value(List{"127.0.0.1:53", "[::1]:53"})),
            "[\"127.0.0.1:53\", \"[::1]:53\"]");
  EXPECT_EQ(set("dns.servers", Value(List{})), "[]");
  EXPECT_THAT(set("dns.servers", Value(List{"127.0.0.1"})), HasSubstr("no port"));
  EXPECT_EQ(set("dns.servers", Value(List(17, "127.0.0.1:53"))),
            "error: 17 entries are too many: at most 16");
  EXPECT_EQ(set("dns.servers", "127.0.0.1:53"),
            "error: expected a list of texts like [\"...\", \"...\"], got a text");
  EXPECT_THAT(set("submission.trusted_networks", Value(List{"10.0.0.1/8"})),
              HasSubstr("bits behind the prefix are set"));
}

TEST_F(OptionValue, Texts) {
  EXPECT_EQ(set("server.data_dir", "/var/spool/x"), "\"/var/spool/x\"");
  EXPECT_EQ(set("server.data_dir", "spool"), "error: 'spool' is not an absolute path");
  EXPECT_EQ(set("server.host_name", Value(Foreign{"a table"})),
            "error: expected a text in quotes, got a table");
  EXPECT_EQ(set("user.password", Value(std::string("a\0b", 3))),
            "error: a NUL character has no place here");
}

TEST_F(OptionValue, ASecretIsNotRepeatedInAnError) {
  EXPECT_THAT(set("user.password_hash", "hunter2"), testing::Not(HasSubstr("hunter2")));
  EXPECT_THAT(set("user.password_hash", "hunter2"), HasSubstr("error: "));
  EXPECT_THAT(set("admin.token", "hunter2"), testing::Not(HasSubstr("hunter2")));
}

TEST(ParseSize, KnowsUnitsOf1000And1024) {
  EXPECT_EQ(*parse_size("0"), 0U);
  EXPECT_EQ(*parse_size("7B"), 7U);
  EXPECT_EQ(*parse_size("2KB"), 2'000U);
  EXPECT_EQ(*parse_size("2KiB"), 2'048U);
  EXPECT_EQ(*parse_size("1GiB"), 1ULL << 30);
  EXPECT_EQ(*parse_size("1TB"), 1'000'000'000'000U);
}

TEST(ParseSize, RefusesWhatIsNoSize) {
  for (const char* text : {"", "KiB", "-1KiB", "1.5MiB", "1 K", "1KiBB", "99999999999999999999",
                           "9999999999TiB", "0x10"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(FormatSize, IsTheShortestExactForm) {
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(1), "1");
  EXPECT_EQ(format_size(1023), "1023");
  EXPECT_EQ(format_size(1024), "1KiB");
  EXPECT_EQ(format_size(1536), "1536");
  EXPECT_EQ(format_size(500ULL << 30), "500GiB");
}

TEST(ParseDuration, KnowsItsUnits) {
  EXPECT_EQ(*parse_duration("0s"), nanoseconds(0));
  EXPECT_EQ(*parse_duration("500ms"), std::chrono::milliseconds(500));
  EXPECT_EQ(*parse_duration("4h"), std::chrono::hours(4));
  EXPECT_EQ(*parse_duration("5d"), std::chrono::hours(120));
}

TEST(ParseDuration, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "s", "5", "-5s", "5 sec", "5S", "1.5h", "99999999999d", "5m5s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(FormatDuration, IsTheLargestExactUnit) {
  EXPECT_EQ(format_duration(nanoseconds(0)), "0s");
  EXPECT_EQ(format_duration(std::chrono::seconds(90)), "90s");
  EXPECT_EQ(format_duration(std::chrono::seconds(3600)), "1h");
  EXPECT_EQ(format_duration(std::chrono::hours(36)), "36h");
  EXPECT_EQ(format_duration(std::chrono::milliseconds(100)), "100ms");
}

TEST(Quote, EscapesWhatTomlWouldMisread) {
  EXPECT_EQ(quote("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(quote("a\nb"), "\"a\\u000ab\"");
  EXPECT_EQ(quote("ü"), "\"ü\"");
}

}  // namespace
}  // namespace postrider::config
