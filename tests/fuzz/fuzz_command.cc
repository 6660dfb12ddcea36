// Command lines, addresses and SASL responses: what is accepted keeps to the limits, holds nothing
// that could become a second command, and reads the same when it is written again.
#include <algorithm>
#include <string>

#include "relay/smtp/command.h"
#include "relay/smtp/sasl.h"
#include "tests/fuzz/bytes.h"

namespace postrider::fuzz {
namespace {

using message::Address;
using message::Status;

bool is_clean(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return (c >= 0 && c < 32) || c == 127; });
}

void check_address(const Address& address, bool utf8) {
  require(is_clean(address.local) && is_clean(address.domain));
  require(address.domain.size() <= message::kDomainMax);
  if (address.domain.empty()) return;
  const Result<Address> again = message::parse_mailbox(address.to_string(), utf8);
  require(again.has_value() && *again == address);
}

void check_status(const Status& status) {
  require(status.is_permanent() && status.enhanced.cls == 5 && !status.text.empty());
}

void check_line(std::string_view line) {
  const smtp::CommandLine command = smtp::split_command(line);
  const auto mail = smtp::parse_mail(command.argument, true);
  if (const auto* good = std::get_if<smtp::MailCommand>(&mail)) {
    check_address(good->envelope.sender, good->envelope.smtputf8);
    require(is_clean(good->envelope.envelope_id) && is_clean(good->envelope.release_request));
    const bool holds = good->hold_for > Seconds(0) || good->hold_until.has_value();
    require(holds != good->envelope.release_request.empty());
  } else {
    check_status(std::get<Status>(mail));
  }
  for (const bool utf8 : {false, true}) {
    const auto rcpt = smtp::parse_rcpt(command.argument, utf8);
    if (const auto* good = std::get_if<message::Recipient>(&rcpt)) {
      require(!good->address.is_null() && is_clean(good->original));
      check_address(good->address, utf8);
    } else {
      check_status(std::get<Status>(rcpt));
    }
  }
  (void)smtp::parse_bdat(command.argument);
  if (smtp::is_hello_name(command.argument)) require(is_clean(command.argument));
}

void check_sasl(std::string_view text) {
  for (const std::string_view name : {"PLAIN", "LOGIN"}) {
    std::optional<smtp::SaslMechanism> mechanism = smtp::start_sasl(name);
    require(mechanism.has_value());
    const std::optional<std::string> response = smtp::decode_initial_response(text);
    if (!response) return;
    smtp::SaslStep step = mechanism->exchange->respond(*response);
    if (step == smtp::SaslStep::kChallenge) step = mechanism->exchange->respond("password");
    if (step != smtp::SaslStep::kCredentials) continue;
    const std::string& user = mechanism->exchange->user();
    require(!user.empty() && user.size() <= smtp::kSaslUserMax && is_clean(user));
    require(mechanism->exchange->password().size() <= smtp::kSaslPasswordMax);
  }
}

}  // namespace
}  // namespace postrider::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postrider::fuzz::Bytes bytes(data, size);
  const std::string_view line = bytes.rest();
  postrider::fuzz::check_line(line);
  postrider::fuzz::check_sasl(line);
  return 0;
}
