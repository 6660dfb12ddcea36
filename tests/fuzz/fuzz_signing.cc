// Signing: pieces of a body do not matter, nor where its hash was begun; the canonical forms are
// their own canonical forms, and whatever the header section is, the signature field is folded
// lines without a blank one.
#include <algorithm>
#include <string>
#include <utility>

#include "relay/signing/signature.h"
#include "tests/fuzz/bytes.h"

namespace postrider::fuzz {
namespace {

using signing::Canonical;

std::string body_form(Canonical form, std::string_view input, std::size_t piece) {
  std::string out;
  signing::BodyForm made(form, [&](std::string_view part) { out += part; });
  while (!input.empty()) {
    made.feed(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
  }
  made.finish();
  return out;
}

std::shared_ptr<const signing::Signing> make_signing(Canonical form) {
  auto signing = std::make_shared<signing::Signing>();
  signing->key = *signing::Key::parse(
      "-----BEGIN PRIVATE "
      "KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
      "-----END PRIVATE KEY-----\n",
      "the key");
  signing->domain = "example.com";
  signing->selector = "s";
  signing->header = signing->body = form;
  return signing;
}

void check_fields(const std::string& fields) {
  require(fields.ends_with("\r\n"));
  for (std::size_t at = 0; at < fields.size();) {
    const std::size_t end = fields.find("\r\n", at);
    const std::string_view line = std::string_view(fields).substr(at, end - at);
    require(line.find_first_not_of(" \t") != std::string_view::npos);
    require(line.find_first_of("\r\n") == std::string_view::npos);
    require(line.starts_with("DKIM-Signature:") || line.front() == ' ');
    at = end + 2;
  }
}

}  // namespace
}  // namespace postrider::fuzz

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace postrider;  // NOLINT(google-build-using-namespace)
  static const signing::Signings kSignings = {fuzz::make_signing(signing::Canonical::kRelaxed),
                                              fuzz::make_signing(signing::Canonical::kSimple)};
  fuzz::Bytes bytes(data, size);
  const std::size_t piece = 1U + bytes.byte() % 16U;
  const std::string_view input = bytes.rest();
  for (const auto form : {signing::Canonical::kRelaxed, signing::Canonical::kSimple}) {
    const std::string whole = fuzz::body_form(form, input, input.size() + 1);
    fuzz::require(whole == fuzz::body_form(form, input, piece));
    fuzz::require(whole == fuzz::body_form(form, whole, piece));
    std::string field;
    signing::append_field(field, form, input);
    std::string again;
    signing::append_field(again, form, field);
    fuzz::require(field.ends_with("\r\n") &&
                  (form == signing::Canonical::kSimple || field == again));
  }
  const std::size_t end = input.find("\r\n\r\n");
  const std::size_t header = end == std::string_view::npos ? input.size() : end + 4;
  const message::HeaderSection section(input.substr(0, header));
  const std::string body(input.substr(header));
  const auto fields =
      signing::signature_fields(kSignings, section, message::Body(body), WallTime{});
  if (!fields) return 0;
  fuzz::check_fields(*fields);
  signing::BodyDigests begun({signing::Canonical::kRelaxed, signing::Canonical::kSimple});
  const std::size_t first = std::min(piece, body.size());
  begun.feed(message::Body(body.substr(0, first)));
  const auto again = signing::signature_fields(
      kSignings, section, message::Body(body.substr(first)), WallTime{}, std::move(begun));
  fuzz::require(again && *again == *fields);
  return 0;
}
