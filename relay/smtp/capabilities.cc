#include "relay/smtp/capabilities.h"

#include "relay/base/ascii.h"
#include "relay/smtp/sasl.h"

namespace postrider::smtp {

namespace {

// Mechanism names of a peer that are kept, and their length (RFC 4422 section 3.1).
constexpr std::size_t kMechanismsMax = 32;
constexpr std::size_t kMechanismNameMax = 20;

void add_mechanisms(std::string_view names, std::vector<std::string>& out) {
  for (const std::string_view name : ascii::split(names, ' ')) {
    if (name.empty() || name.size() > kMechanismNameMax || out.size() >= kMechanismsMax) continue;
    out.push_back(ascii::upper(name));
  }
}

void apply_size(std::string_view value, ClientSession::Capabilities& out) {
  const std::optional<std::uint64_t> size = ascii::parse_u64(value);
  if (!value.empty() && !size) return;
  out.size = true;
  out.size_max = size.value_or(0);
}

struct FlagRow {
  std::string_view keyword;
  bool ClientSession::Capabilities::*flag;
};

constexpr FlagRow kFlags[] = {
    {"PIPELINING", &ClientSession::Capabilities::pipelining},
    {"STARTTLS", &ClientSession::Capabilities::start_tls},
    {"8BITMIME", &ClientSession::Capabilities::eight_bit_mime},
    {"SMTPUTF8", &ClientSession::Capabilities::smtputf8},
    {"CHUNKING", &ClientSession::Capabilities::chunking},
    {"DSN", &ClientSession::Capabilities::dsn},
    {"MT-PRIORITY", &ClientSession::Capabilities::mt_priority},
    {"ENHANCEDSTATUSCODES", &ClientSession::Capabilities::enhanced_codes},
};

void apply_keyword(std::string_view line, ClientSession::Capabilities& out) {
  const std::size_t end = line.find_first_of(" =");
  const std::string_view keyword = line.substr(0, end);
  const std::string_view value =
      end == std::string_view::npos ? std::string_view() : ascii::trim(line.substr(end + 1));
  for (const FlagRow& row : kFlags) {
    if (ascii::iequals(keyword, row.keyword)) out.*row.flag = true;
  }
  if (ascii::iequals(keyword, "SIZE")) apply_size(value, out);
  // "AUTH=PLAIN" is a form from before the RFC that some servers send besides the right one.
  if (ascii::iequals(keyword, "AUTH")) add_mechanisms(value, out.auth);
}

}  // namespace

std::string offer_capabilities(const ServerOptions& options, const TlsFacts* tls, bool scram,
                               const std::optional<WallTime>& release_max) {
  std::string text = options.host_name;
  text += "\nPIPELINING\nSIZE " + std::to_string(options.message_size_max);
  text += "\n8BITMIME\nSMTPUTF8\nENHANCEDSTATUSCODES\nCHUNKING\nDSN";
  text += "\nMT-PRIORITY MIXER";  // see message/priority.h
  if (options.tls_available && tls == nullptr) text += "\nSTARTTLS";
  if (tls != nullptr && options.mode != ListenerMode::kTrusted) {
    text += "\nAUTH ";
    text += kSaslMechanisms;
    if (scram) text += " " + std::string(kScramMechanism);
    if (tls->external) text += " " + std::string(kExternalMechanism);
  }
  if (release_max) {  // RFC 4865 section 3
    text += "\nFUTURERELEASE " + std::to_string(options.future_release_max.count()) + " " +
            to_iso8601_seconds(*release_max);
  }
  text += "\nLIMITS";  // RFC 9422
  if (options.messages_max > 0) text += " MAILMAX=" + std::to_string(options.messages_max);
  text += " RCPTMAX=" + std::to_string(options.recipients_max);
  return text;
}

ClientSession::Capabilities parse_capabilities(std::string_view text) {
  ClientSession::Capabilities out;
  const std::vector<std::string_view> lines = ascii::split(text, '\n');
  for (std::size_t at = 1; at < lines.size(); ++at) apply_keyword(ascii::trim(lines[at]), out);
  return out;
}

}  // namespace postrider::smtp
