// A certificate authority made on the spot: chains, certificates out of their time, weak and locked
// keys; what generate_identity() does not make.
#pragma once

#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "relay/tls/context.h"

namespace postrider::tls {

struct IssueOptions {
  std::string name = "mx.example";
  int from_days = -1;  // from now
  int to_days = 30;
  std::string alternatives = "";  // "": DNS and the name
  std::string usage = "";         // extended key usage; "": any
};

class Authority {
 public:
  explicit Authority(const std::string& name = "Test Authority") {
    certificate_ = make(key_.get(), name, -1, 30);
    extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    sign(certificate_.get());
  }

  [[nodiscard]] std::string pem() const { return certificate_text(certificate_.get()); }

  // A leaf that this authority signed, with a key of its own.
  [[nodiscard]] GeneratedIdentity issue(const IssueOptions& options = {}) const {
    const Key key = new_key();
    const Certificate leaf = make(key.get(), options.name, options.from_days, options.to_days);
    X509_set_issuer_name(leaf.get(), X509_get_subject_name(certificate_.get()));
    extend(leaf.get(), NID_subject_alt_name,
           options.alternatives.empty() ? "DNS:" + options.name : options.alternatives);
    if (!options.usage.empty()) extend(leaf.get(), NID_ext_key_usage, options.usage);
    sign(leaf.get());
    return {certificate_text(leaf.get()), key_text(key.get())};
  }

  // The text of a key, under a passphrase.
  static std::string locked_key() {
    const Key key = new_key();
    const Bio out(BIO_new(BIO_s_mem()), BIO_free_all);
    char passphrase[] = "sesame";
    PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_256_cbc(), passphrase, 6, nullptr,
                                  nullptr);
    return text_of(out.get());
  }

  // Self-signed, with an RSA key of so many bits.
  static GeneratedIdentity small_rsa(unsigned bits) {
    const Key key(EVP_RSA_gen(bits), EVP_PKEY_free);
    const Certificate own = make(key.get(), "mx.example", -1, 30);
    X509_sign(own.get(), key.get(), EVP_sha256());
    return {certificate_text(own.get()), key_text(key.get())};
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
  using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

  static Key new_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

  static Certificate make(EVP_PKEY* key, const std::string& name, int from_days, int to_days) {
    static long serial = 1;
    Certificate certificate(X509_new(), X509_free);
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
    X509_time_adj_ex(X509_getm_notBefore(certificate.get()), from_days, 0, nullptr);
    X509_time_adj_ex(X509_getm_notAfter(certificate.get()), to_days, 0, nullptr);
    X509_NAME* subject = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), subject);
    X509_set_pubkey(certificate.get(), key);
    return certificate;
  }

  static void extend(X509* certificate, int kind, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  void sign(X509* certificate) const { X509_sign(certificate, key_.get(), EVP_sha256()); }

  static std::string text_of(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    return {bytes, static_cast<std::size_t>(size)};
  }

  static std::string certificate_text(X509* certificate) {
    const Bio out(BIO_new(BIO_s_mem()), BIO_free_all);
    PEM_write_bio_X509(out.get(), certificate);
    return text_of(out.get());
  }

  static std::string key_text(EVP_PKEY* key) {
    const Bio out(BIO_new(BIO_s_mem()), BIO_free_all);
    PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(out.get());
  }

  Key key_ = new_key();
  Certificate certificate_{nullptr, X509_free};
};

}  // namespace postrider::tls
