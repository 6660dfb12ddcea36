#include <array>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <optional>

#include "relay/base/ip.h"
#include "relay/tls/context.h"
#include "relay/tls/openssl.h"

namespace postrider::tls {

namespace {

// Clocks that are a little behind accept the certificate too.
constexpr long kBackdatedSeconds = 5L * 60;
// RFC 5280 appendix A.1, ub-common-name.
constexpr std::size_t kCommonNameMax = 64;
constexpr int kSerialBits = 127;

using NumberPtr = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;
using NamePtr = std::unique_ptr<GENERAL_NAME, Freed<GENERAL_NAME_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using StringPtr = std::unique_ptr<ASN1_STRING, Freed<ASN1_STRING_free>>;

bool set_serial(X509* certificate) {
  const NumberPtr serial(BN_new());
  return serial != nullptr &&
         BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_validity(X509* certificate, unsigned days) {
  return X509_gmtime_adj(X509_getm_notBefore(certificate), -kBackdatedSeconds) != nullptr &&
         X509_time_adj_ex(X509_getm_notAfter(certificate), static_cast<int>(days), 0, nullptr) !=
             nullptr;
}

bool set_subject(X509* certificate, const std::string& name) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const std::string common = name.size() <= kCommonNameMax ? name : "postrider";
  return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
                                    reinterpret_cast<const unsigned char*>(common.data()),
                                    static_cast<int>(common.size()), -1, 0) == 1 &&
         X509_set_issuer_name(certificate, subject) == 1;
}

NamePtr alternative_name(const std::string& text) {
  const auto ip = IpAddress::parse(text);
  const std::string_view bytes = ip ? ip->bytes() : std::string_view(text);
  StringPtr value(ASN1_STRING_type_new(ip ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING));
  NamePtr name(GENERAL_NAME_new());
  if (name == nullptr || value == nullptr ||
      ASN1_STRING_set(value.get(), bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return nullptr;
  }
  GENERAL_NAME_set0_value(name.get(), ip ? GEN_IPADD : GEN_DNS, value.release());
  return name;
}

bool set_names(X509* certificate, const std::vector<std::string>& names) {
  const NamesPtr all(GENERAL_NAMES_new());
  if (all == nullptr) return false;
  for (const std::string& text : names) {
    NamePtr name = alternative_name(text);
    if (name == nullptr || sk_GENERAL_NAME_push(all.get(), name.get()) <= 0) return false;
    static_cast<void>(name.release());  // the stack owns it now
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, all.get(), 0, 0) == 1;
}

bool add_extension(X509* certificate, int kind, const char* value) {
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, kind, value));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool fill(X509* certificate, EVP_PKEY* key, const std::vector<std::string>& names, unsigned days) {
  return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
         set_validity(certificate, days) && set_subject(certificate, names.front()) &&
         X509_set_pubkey(certificate, key) == 1 && set_names(certificate, names) &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

std::optional<GeneratedIdentity> as_pem(X509* certificate, EVP_PKEY* key) {
  const BioPtr certificate_out(BIO_new(BIO_s_mem()));
  const BioPtr key_out(BIO_new(BIO_s_mem()));
  if (certificate_out == nullptr || key_out == nullptr ||
      PEM_write_bio_X509(certificate_out.get(), certificate) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return std::nullopt;
  }
  const auto text_of = [](BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    return std::string(bytes, static_cast<std::size_t>(size));
  };
  return GeneratedIdentity{text_of(certificate_out.get()), text_of(key_out.get())};
}

}  // namespace

Result<GeneratedIdentity> generate_identity(const std::vector<std::string>& dns_names,
                                            unsigned days) {
  if (dns_names.empty()) return failure("cannot generate a certificate: it needs a name");
  if (days == 0 || days > kGeneratedDaysMax) {
    return failure("cannot generate a certificate for " + std::to_string(days) + " days: 1 to " +
                   std::to_string(kGeneratedDaysMax) + " are possible");
  }
  ERR_clear_error();
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  if (key != nullptr && certificate != nullptr &&
      fill(certificate.get(), key.get(), dns_names, days)) {
    if (auto identity = as_pem(certificate.get(), key.get())) return *std::move(identity);
  }
  return failure("cannot generate a certificate: " + drain_errors());
}

}  // namespace postrider::tls
