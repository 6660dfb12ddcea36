#include "relay/tls/peer_names.h"

#include <algorithm>
#include <array>
#include <openssl/evp.h>
#include <string_view>

#include "relay/base/ascii.h"

namespace postrider::tls {

namespace {

constexpr int kNamesMax = 100;

using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

std::string octets_of(const ASN1_IA5STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

// No blank, and no NUL behind which another name could hide.
bool is_name(std::string_view text) {
  return !text.empty() && ascii::is_visible(text);
}

std::string fingerprint(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
  return ascii::hex({reinterpret_cast<const char*>(digest.data()), size});
}

}  // namespace

std::vector<std::string> certificate_names(const X509* certificate) {
  std::vector<std::string> names;
  if (const std::string print = fingerprint(certificate); !print.empty()) {
    names.push_back("sha256:" + ascii::lower(print));
  }
  const NamesPtr all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  const int count = all == nullptr ? 0 : std::min(sk_GENERAL_NAME_num(all.get()), kNamesMax);
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    const bool is_email = name->type == GEN_EMAIL;
    if (!is_email && name->type != GEN_DNS) continue;
    const std::string text = octets_of(is_email ? name->d.rfc822Name : name->d.dNSName);
    if (!is_name(text)) continue;
    names.push_back(is_email ? "email:" + text : "dns:" + ascii::lower(text));
  }
  return names;
}

}  // namespace postrider::tls
