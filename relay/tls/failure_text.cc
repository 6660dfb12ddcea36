#include "relay/tls/failure_text.h"

#include <openssl/err.h>

#include "relay/base/ascii.h"

namespace postrider::tls {

namespace {

constexpr std::size_t kShownLineMax = 100;
constexpr std::size_t kShownWordMax = 16;
constexpr int kShownNamesMax = 4;
constexpr std::size_t kShownNameMax = 100;

// The content types of RFC 8446 section 5.1, and the high bit of an SSLv2 hello, which OpenSSL
// itself refuses in its own words.
bool may_begin_record(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return (byte >= 20 && byte <= 24) || byte >= 0x80;
}

// The DNS names in the certificate's subjectAltName, as far as they are shown.
std::string names_of(X509* certificate) {
  using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string shown;
  int count = 0;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    if (++count > kShownNamesMax) return shown + ", ...";
    const auto* text = name->d.dNSName;
    const std::string bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                            static_cast<std::size_t>(ASN1_STRING_length(text)));
    shown += (shown.empty() ? "" : ", ") + ascii::printable(bytes, kShownNameMax);
  }
  return shown;
}

std::string describe_mismatch(X509* leaf, std::string_view verified_name) {
  std::string text = "the certificate is not for " + ascii::printable(verified_name);
  const std::string names = leaf == nullptr ? "" : names_of(leaf);
  return names.empty() ? text : text + " but for " + names;
}

// What OpenSSL has no better words for than "internal error" or a bare reason.
std::string hint_for(int reason) {
  switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return "; TLS 1.2 or later is required here";
    case SSL_R_NO_SHARED_CIPHER:
      return "; a cipher with forward secrecy is required here";
    case SSL_R_WRONG_VERSION_NUMBER:
      return "; what the peer sent is no TLS record";
    default:
      return "";
  }
}

}  // namespace

std::string describe_plaintext(std::string_view first_bytes, bool from_server) {
  if (first_bytes.empty() || may_begin_record(first_bytes.front())) return {};
  const std::size_t end = first_bytes.find_first_of(from_server ? "\r\n" : " \r\n");
  const std::string shown =
      ascii::printable(first_bytes.substr(0, end), from_server ? kShownLineMax : kShownWordMax);
  return std::string(from_server ? "the server" : "the client") +
         " sent plaintext where TLS was expected: \"" + shown + "\"";
}

std::string describe_verification(const SSL* ssl, X509* leaf, std::string_view verified_name) {
  const long verdict = SSL_get_verify_result(ssl);
  if (verdict == X509_V_OK) return {};
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    return describe_mismatch(leaf, verified_name);
  }
  return X509_verify_cert_error_string(verdict);
}

std::string describe_failure(const SSL* ssl, X509* leaf, std::string_view verified_name) {
  const unsigned long last = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(last);
  std::string words = drain_errors();
  if (ERR_GET_LIB(last) != ERR_LIB_SSL) return words.empty() ? "TLS failed" : words;
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    return "certificate verification failed: " + describe_verification(ssl, leaf, verified_name);
  }
  if (reason > SSL_AD_REASON_OFFSET) {
    // A fatal alert of the peer; its number is in the low byte (RFC 8446 section 6).
    const std::string alert = SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET);
    return "the peer sent a TLS alert: " + alert + hint_for(reason);
  }
  return words + hint_for(reason);
}

}  // namespace postrider::tls
