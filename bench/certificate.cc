#include "bench/certificate.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "relay/base/ascii.h"

namespace postrider::bench {

namespace {

constexpr long kDay = 86'400;

CertificateAuthority::Key make_key() {
  return {EVP_EC_gen("P-256"), EVP_PKEY_free};
}

bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool added = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

bool set_name(X509_NAME* name, const std::string& common_name) {
  // The common name has at most 64 characters (RFC 5280, ub-common-name); the alternative name is
  // what counts.
  const std::string cut = common_name.substr(0, 64);
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(cut.data()),
                                    static_cast<int>(cut.size()), -1, 0) == 1;
}

// A certificate without extensions or signature, valid from `from` to `to` seconds from now.
CertificateAuthority::Certificate make_blank(EVP_PKEY* key, const std::string& name, long from,
                                             long to) {
  CertificateAuthority::Certificate certificate(X509_new(), X509_free);
  std::uint64_t serial = 0;
  if (!certificate || RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) {
    return nullptr;
  }
  X509* const x509 = certificate.get();
  // Positive, as RFC 5280 section 4.1.2.2 asks.
  const bool made = X509_set_version(x509, X509_VERSION_3) == 1 &&
                    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial >> 1U) == 1 &&
                    X509_gmtime_adj(X509_getm_notBefore(x509), from) != nullptr &&
                    X509_gmtime_adj(X509_getm_notAfter(x509), to) != nullptr &&
                    X509_set_pubkey(x509, key) == 1 && set_name(X509_get_subject_name(x509), name);
  return made ? certificate : nullptr;
}

bool is_host_name(std::string_view name) {
  for (const char c : name) {
    if (!ascii::is_alpha(c) && !ascii::is_digit(c) && c != '-' && c != '.' && c != '_')
      return false;
  }
  return !name.empty() && name.size() <= 253;
}

}  // namespace

tl::unexpected<Error> openssl_failure(std::string_view what) {
  std::string reason(256, '\0');
  ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
  ERR_clear_error();
  return failure(std::string(what) + ": " + reason.c_str());
}

CertificateAuthority::CertificateAuthority(Key ca_key, Certificate ca, Key leaf_key)
    : ca_key_(std::move(ca_key)), ca_(std::move(ca)), leaf_key_(std::move(leaf_key)) {}

Result<std::unique_ptr<CertificateAuthority>> CertificateAuthority::create() {
  Key ca_key = make_key();
  Key leaf_key = make_key();
  if (!ca_key || !leaf_key) return openssl_failure("making a key");
  const std::string name = "Postrider simulated internet";
  Certificate ca = make_blank(ca_key.get(), name, -kDay, 3650 * kDay);
  X509* const x509 = ca.get();
  const bool signed_now =
      x509 != nullptr && X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1 &&
      add_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE") &&
      add_extension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      add_extension(x509, x509, NID_subject_key_identifier, "hash") &&
      X509_sign(x509, ca_key.get(), EVP_sha256()) > 0;
  if (!signed_now) return openssl_failure("making a CA certificate");
  return std::unique_ptr<CertificateAuthority>(
      new CertificateAuthority(std::move(ca_key), std::move(ca), std::move(leaf_key)));
}

Result<CertificateAuthority::Certificate> CertificateAuthority::leaf(std::string_view name,
                                                                     CertificateKind kind) {
  const std::pair key(is_host_name(name) ? ascii::lower(name) : "localhost", kind);
  {
    auto leaves = leaves_.lock();
    if (const auto found = leaves->find(key); found != leaves->end()) return found->second;
  }
  auto made = issue(key.first, kind);
  if (!made) return made;
  auto leaves = leaves_.lock();
  if (leaves->size() < kMaxLeaves) leaves->emplace(key, *made);
  return made;
}

Result<CertificateAuthority::Certificate> CertificateAuthority::issue(const std::string& name,
                                                                      CertificateKind kind) const {
  const bool expired = kind == CertificateKind::kExpired;
  const bool own = kind == CertificateKind::kSelfSigned;
  const std::string shown = kind == CertificateKind::kWrongName ? "wrong.invalid" : name;
  Certificate leaf = make_blank(leaf_key_.get(), shown, expired ? -30 * kDay : -kDay,
                                expired ? -kDay : 365 * kDay);
  if (!leaf) return openssl_failure("making a certificate for " + shown);
  X509* const x509 = leaf.get();
  X509* const issuer = own ? x509 : ca_.get();
  const bool signed_now = X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1 &&
                          add_extension(x509, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
                          add_extension(x509, issuer, NID_ext_key_usage, "serverAuth") &&
                          add_extension(x509, issuer, NID_subject_alt_name, "DNS:" + shown) &&
                          X509_sign(x509, own ? leaf_key_.get() : ca_key_.get(), EVP_sha256()) > 0;
  if (!signed_now) return openssl_failure("signing a certificate for " + shown);
  return leaf;
}

Result<std::string> CertificateAuthority::pem() const {
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free);
  if (!bio || PEM_write_bio_X509(bio.get(), ca_.get()) != 1) {
    return openssl_failure("writing the CA certificate");
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace postrider::bench
