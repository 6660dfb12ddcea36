// CertificateAuthority: a certificate authority made at start, and the leaf certificates it issues
// on demand. Thread: any.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "relay/base/guarded.h"
#include "relay/base/result.h"

struct evp_pkey_st;
struct x509_st;

namespace postrider::bench {

// "`what`: " and what OpenSSL said last on this thread.
tl::unexpected<Error> openssl_failure(std::string_view what);

enum class CertificateKind { kGood, kExpired, kWrongName, kSelfSigned };

class CertificateAuthority {
 public:
  using Key = std::shared_ptr<evp_pkey_st>;
  using Certificate = std::shared_ptr<x509_st>;

  // Leaves kept; beyond it they are made anew each time.
  static constexpr std::size_t kMaxLeaves = 4096;

  // A fresh P-256 key and a self-signed CA certificate.
  static Result<std::unique_ptr<CertificateAuthority>> create();

  // A certificate of `kind` for the host `name` and for leaf_key(). Text that is no host name
  // gives a certificate for "localhost".
  Result<Certificate> leaf(std::string_view name, CertificateKind kind);

  [[nodiscard]] const Key& leaf_key() const { return leaf_key_; }

  // The CA certificate in PEM.
  [[nodiscard]] Result<std::string> pem() const;

 private:
  CertificateAuthority(Key ca_key, Certificate ca, Key leaf_key);
  [[nodiscard]] Result<Certificate> issue(const std::string& name, CertificateKind kind) const;

  using Leaves = std::map<std::pair<std::string, CertificateKind>, Certificate>;

  Key ca_key_;
  Certificate ca_;
  Key leaf_key_;
  Guarded<Leaves> leaves_;
};

}  // namespace postrider::bench
