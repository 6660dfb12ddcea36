// What a text option accepts beyond being a text.
#include <algorithm>
#include <fmt/format.h>
#include <sys/un.h>

#include "relay/auth/password.h"
#include "relay/auth/scram.h"
#include "relay/base/ascii.h"
#include "relay/config/option_rows.h"
#include "relay/config/option_value.h"
#include "relay/delivery/options.h"
#include "relay/message/address.h"
#include "relay/message/envelope.h"
#include "relay/policy/reply_rules.h"
#include "relay/policy/senders.h"
#include "relay/policy/tenant_weights.h"

namespace postrider::config {

namespace {

constexpr std::size_t kPathMax = 4095;
constexpr std::size_t kUnixUserMax = 32;
constexpr std::size_t kUserNameMax = 255;
constexpr std::size_t kSocketNameMax = 255;
constexpr std::size_t kTokenMin = 16;
constexpr std::size_t kTokenMax = 512;
constexpr std::size_t kLabelMax = 63;  // of the DNS

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

Result<void> check_path(std::string_view text) {
  if (text.empty()) return {};
  // A relative path would depend on where the service manager starts us.
  if (text.front() != '/') return failure(shown(text) + " is not an absolute path");
  if (text.size() > kPathMax) return failure(fmt::format("longer than {} octets", kPathMax));
  return {};
}

Result<void> check_needed_path(std::string_view text) {
  if (text.empty()) return failure("must not be empty");
  return check_path(text);
}

Result<void> check_host_name(std::string_view text) {
  if (text.empty()) return {};
  const auto name = message::normalize_domain(text);
  if (!name) return failure(shown(text) + " is not a host name: " + name.error().text());
  return {};
}

Result<void> check_route_domain(std::string_view text) {
  if (text.empty()) return failure("must not be empty");
  if (text == "*") return {};
  return check_host_name(text.front() == '.' ? text.substr(1) : text);
}

namespace {

Result<void> check_socket(std::string_view path) {
  if (!path.starts_with('/')) return failure("the path of a socket begins with /");
  const std::size_t most = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > most) return failure(fmt::format("the path is longer than {} octets", most));
  return check_path(path);
}

}  // namespace

Result<void> check_route_host(std::string_view text) {
  if (text.empty()) return failure("must not be empty");
  if (text.starts_with(delivery::kSocketPrefix)) {
    return check_socket(text.substr(delivery::kSocketPrefix.size()));
  }
  if (IpAddress::parse(text)) return {};
  return check_host_name(text);
}

Result<void> check_label(std::string_view text) {
  if (message::is_label(text)) return {};
  return failure(fmt::format("{} is not a name: 1 to {} visible ASCII characters without spaces",
                             shown(text), message::kLabelMax));
}

Result<void> check_reply_code(std::string_view text) {
  return policy::check_reply_code(text);
}

Result<void> check_sample(std::string_view text) {
  const auto sample = policy::parse_reply_sample(text);
  if (sample) return {};
  return failure(shown(text) + ": " + sample.error().text());
}

Result<void> check_host_pattern(std::string_view text) {
  if (text.empty()) return {};
  if (text == ".") return failure("'.' is not a host name");
  return check_host_name(text.front() == '.' ? text.substr(1) : text);
}

Result<void> check_unix_user(std::string_view text) {
  if (text.empty()) return {};
  const auto fits = [](char c) {
    return ascii::is_alpha(c) || ascii::is_digit(c) || c == '_' || c == '-' || c == '.';
  };
  if (text.size() > kUnixUserMax || text.front() == '-' ||
      !std::all_of(text.begin(), text.end(), fits)) {
    return failure(shown(text) + " is not the name of a system user");
  }
  return {};
}

// systemd.socket(5), FileDescriptorName=.
Result<void> check_socket_name(std::string_view text) {
  const auto fits = [](char c) { return c >= ' ' && c <= '~' && c != ':'; };
  if (text.size() > kSocketNameMax || !std::all_of(text.begin(), text.end(), fits)) {
    return failure(
        fmt::format("{} is no name of a passed socket: at most {} printable ASCII "
                    "characters without a colon",
                    shown(text), kSocketNameMax));
  }
  return {};
}

Result<void> check_name(std::string_view text) {
  if (text.empty()) return failure("must not be empty");
  if (text.size() > kUserNameMax) {
    return failure(fmt::format("longer than {} octets", kUserNameMax));
  }
  if (has_control(text)) return failure("control characters have no place in a name");
  return {};
}

Result<void> check_password_hash(std::string_view text) {
  if (text.empty()) return {};
  return auth::check_hash(std::string(text));
}

Result<void> check_scram_verifier(std::string_view text) {
  if (text.empty()) return {};
  if (auto parsed = auth::parse_scram_verifier(text); !parsed) return failure(parsed.error());
  return {};
}

Result<void> check_certificate_name(std::string_view text) {
  constexpr std::string_view kPrint = "sha256:";
  constexpr std::size_t kPrintSize = 64;
  const std::string_view value = text.substr(std::min(text.find(':') + 1, text.size()));
  const auto is_hex = [](char c) { return ascii::is_digit(c) || (c >= 'a' && c <= 'f'); };
  bool good = false;
  if (text.starts_with(kPrint)) {
    good = value.size() == kPrintSize && std::all_of(value.begin(), value.end(), is_hex);
  } else if (text.starts_with("email:")) {
    const auto address = message::parse_mailbox(value, false);
    good = address && !address->domain.empty();
  } else if (text.starts_with("dns:")) {
    good = !value.empty() && value == ascii::lower(value) && check_host_name(value).has_value();
  }
  if (good) return {};
  return failure(shown(text) +
                 " is none of \"sha256:\" with 64 lower-case hex digits, \"email:\" with a "
                 "mailbox, \"dns:\" with a host name in lower case");
}

Result<void> check_sender_pattern(std::string_view text) {
  return policy::check_sender_pattern(text);
}

Result<void> check_field_name(std::string_view text) {
  // RFC 5322 section 3.6.8.
  const auto fits = [](char c) { return c > ' ' && c <= '~' && c != ':'; };
  constexpr std::size_t kNameMax = 64;
  if (text.size() <= kNameMax && std::all_of(text.begin(), text.end(), fits)) return {};
  return failure(shown(text) + " is not the name of a header field");
}

Result<void> check_metadata_header(std::string_view text) {
  const bool is_beginning = text.ends_with('*');
  const std::string_view name = text.substr(0, text.size() - (is_beginning ? 1 : 0));
  if (name.empty() || name.find('*') != std::string_view::npos) {
    return failure(shown(text) + " is not the name of a header field, or its beginning and '*'");
  }
  if (auto good = check_field_name(name); !good) return good;
  // What a reader needs must not be removed by a slip.
  if (!ascii::istarts_with(name, "x-") || name.size() == 2) {
    return failure(shown(text) + " must begin with 'X-' and say more");
  }
  return {};
}

Result<void> check_signed_field(std::string_view text) {
  if (text.empty()) return failure("must not be empty");
  if (auto good = check_field_name(text); !good) return good;
  // RFC 6376 section 5.4: they change on the way; a semicolon would end the tag.
  for (const std::string_view never : {"received", "return-path", "dkim-signature"}) {
    if (ascii::iequals(text, never)) return failure(shown(text) + " must not be signed");
  }
  if (text.find(';') == std::string_view::npos) return {};
  return failure(shown(text) + " cannot be named in a signature");
}

Result<void> check_signing_domain(std::string_view text) {
  if (text.empty()) return failure("must not be empty");
  return check_host_name(text);
}

Result<void> check_selector(std::string_view text) {
  // RFC 6376 section 3.1: labels of the DNS.
  const auto fits = [](char c) {
    return ascii::is_alpha(c) || ascii::is_digit(c) || c == '-' || c == '_' || c == '.';
  };
  const bool good = !text.empty() && text.front() != '.' && text.back() != '.' &&
                    text.find("..") == std::string_view::npos &&
                    std::all_of(text.begin(), text.end(), fits);
  if (!good) return failure(shown(text) + " is not a selector: letters, digits, '-' and dots");
  for (const std::string_view label : ascii::split(text, '.')) {
    if (label.size() > kLabelMax) {
      return failure(fmt::format("a label longer than {} octets", kLabelMax));
    }
  }
  return {};
}

Result<void> check_tenant(std::string_view text) {
  if (text.size() > message::kLabelMax) {
    return failure(fmt::format("longer than {} octets", message::kLabelMax));
  }
  if (!message::is_label(text) && !text.empty()) {
    return failure("only visible ASCII characters without spaces may stand in a tenant");
  }
  return {};
}

Result<void> check_tenant_weight(std::string_view text) {
  const auto parsed = policy::parse_tenant_weight(text);
  if (!parsed) return failure(parsed.error());
  return {};
}

Result<void> check_mailbox(std::string_view text) {
  if (text.empty()) return {};
  const auto address = message::parse_mailbox(text, true);
  if (!address) return failure(shown(text) + " is not a mail address: " + address.error().text());
  if (address->domain.empty()) return failure(shown(text) + " has no domain");
  return {};
}

Result<void> check_ipv4(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (address && !address->is_v4()) return failure(shown(text) + " is not an IPv4 address");
  return {};
}

Result<void> check_ipv6(std::string_view text) {
  const auto address = IpAddress::parse(text);
  if (address && address->is_v4()) return failure(shown(text) + " is not an IPv6 address");
  return {};
}

Result<void> check_token(std::string_view text) {
  if (text.empty()) return {};
  // It travels in a header field: RFC 6750 section 2.1 allows a subset of this.
  const auto visible = [](char c) { return c > ' ' && c < 0x7f; };
  if (!std::all_of(text.begin(), text.end(), visible)) {
    return failure("only visible ASCII characters without spaces may stand in a token");
  }
  if (text.size() < kTokenMin || text.size() > kTokenMax) {
    return failure(fmt::format("a token has {} to {} characters", kTokenMin, kTokenMax));
  }
  return {};
}

}  // namespace postrider::config
