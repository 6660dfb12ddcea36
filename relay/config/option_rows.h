// The rows of the option table in their parts, and the words they are written with. Private to
// config. Thread: immutable.
#pragma once

#include <span>

#include "relay/config/option_table.h"

// The member of the configuration that a row sets: PR_SLOT(config->delivery.port).
#define PR_SLOT(member) [](const Record& at) -> Slot { return &at.member; }

namespace postrider::config {

// Units of Range.
inline constexpr double kKiB = 1024;
inline constexpr double kMiB = 1024 * kKiB;
inline constexpr double kGiB = 1024 * kMiB;
inline constexpr double kTiB = 1024 * kGiB;
inline constexpr double kMillisecond = 0.001;
inline constexpr double kSecond = 1;
inline constexpr double kMinute = 60;
inline constexpr double kHour = 3600;
inline constexpr double kDay = 86'400;

std::span<const Option> server_rows();      // [server], [tls], [[listener]]
std::span<const Option> submission_rows();  // [submission], [auth], [[user]]
std::span<const Option> signing_rows();     // [signing], [[dkim]]
std::span<const Option> delivery_rows();    // [delivery], [[route]], [retry], [dns]
std::span<const Option> site_rows();        // [[provider]], [[reply]], [[site]], [[source]]
std::span<const Option> storage_rows();     // [queue], [journal], [admin]

// Checks of a text; "" passes all but check_name.
Result<void> check_path(std::string_view text);
Result<void> check_needed_path(std::string_view text);
Result<void> check_host_name(std::string_view text);
Result<void> check_route_domain(std::string_view text);
Result<void> check_route_host(std::string_view text);
Result<void> check_reply_code(std::string_view text);
Result<void> check_sample(std::string_view text);
Result<void> check_label(std::string_view text);
Result<void> check_host_pattern(std::string_view text);
Result<void> check_unix_user(std::string_view text);
Result<void> check_socket_name(std::string_view text);
Result<void> check_name(std::string_view text);
Result<void> check_password_hash(std::string_view text);
Result<void> check_scram_verifier(std::string_view text);
Result<void> check_sender_pattern(std::string_view text);
Result<void> check_certificate_name(std::string_view text);
Result<void> check_field_name(std::string_view text);
Result<void> check_metadata_header(std::string_view text);
Result<void> check_signed_field(std::string_view text);
Result<void> check_signing_domain(std::string_view text);
Result<void> check_selector(std::string_view text);
Result<void> check_tenant(std::string_view text);
Result<void> check_tenant_weight(std::string_view text);
Result<void> check_mailbox(std::string_view text);
Result<void> check_ipv4(std::string_view text);
Result<void> check_ipv6(std::string_view text);
Result<void> check_token(std::string_view text);

}  // namespace postrider::config
