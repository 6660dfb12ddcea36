#include "relay/signing/key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <openssl/x509.h>

#include "relay/base/ascii.h"
#include "relay/base/check.h"
#include "relay/base/file.h"

namespace postrider::signing {

namespace {

struct Deleter {
  void operator()(BIO* bio) const { BIO_free(bio); }

  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }

  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

template <class T>
using Owned = std::unique_ptr<T, Deleter>;

// The newest error of OpenSSL on this thread in words; its queue is empty then.
std::string last_error() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string text = reason == nullptr ? "no reason given" : reason;
  ERR_clear_error();
  return text;
}

int refuse_passphrase(char*, int, int, void*) {
  return -1;
}

Result<std::string> read_key_file(const std::string& path) {
  const std::string what = "DKIM key file " + path;
  auto text = read_file(path, Key::kFileMax);
  if (!text) return failure(text.error().within("cannot use " + what));
  if (text->size() > Key::kFileMax) {
    return failure("cannot use " + what + ": larger than " + std::to_string(Key::kFileMax) +
                   " octets");
  }
  return text;
}

std::string why_no_key(const std::string& pem) {
  if (pem.empty()) return "it is empty";
  if (pem.find("ENCRYPTED") != std::string::npos) {
    return "the key is encrypted with a passphrase; it must be stored without one";
  }
  if (pem.find("PRIVATE KEY-----") != std::string::npos) {
    return "the private key in it is damaged: " + last_error();
  }
  if (pem.find("PUBLIC KEY-----") != std::string::npos) {
    return "it holds a public key; the private one is needed";
  }
  return "it holds no PEM private key";
}

std::string_view view_of(const unsigned char* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// As the DNS has it: for RSA the SubjectPublicKeyInfo, for Ed25519 the key alone.
std::string public_key(EVP_PKEY* key, Algorithm algorithm) {
  if (algorithm == Algorithm::kEd25519) {
    std::array<unsigned char, 32> raw{};
    std::size_t size = raw.size();
    PR_CHECK(EVP_PKEY_get_raw_public_key(key, raw.data(), &size) == 1, "Ed25519 public key");
    return ascii::base64_encode(view_of(raw.data(), size));
  }
  unsigned char* encoded = nullptr;
  const int size = i2d_PUBKEY(key, &encoded);
  PR_CHECK(size > 0, "RSA public key");
  std::string text = ascii::base64_encode(view_of(encoded, static_cast<std::size_t>(size)));
  OPENSSL_free(encoded);
  return text;
}

Result<std::string> failed() {
  return failure("signing failed: " + last_error());
}

Result<std::string> sign_rsa(EVP_PKEY* key, const Digest& digest) {
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key, nullptr));
  std::size_t size = 0;
  if (context == nullptr || EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_sign(context.get(), nullptr, &size, digest.data(), digest.size()) != 1) {
    return failed();
  }
  std::string signature(size, '\0');
  auto* out = reinterpret_cast<unsigned char*>(signature.data());
  if (EVP_PKEY_sign(context.get(), out, &size, digest.data(), digest.size()) != 1) return failed();
  signature.resize(size);
  return signature;
}

Result<std::string> sign_ed25519(EVP_PKEY* key, const Digest& digest) {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  std::string signature(64, '\0');
  std::size_t size = signature.size();
  auto* out = reinterpret_cast<unsigned char*>(signature.data());
  if (context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), out, &size, digest.data(), digest.size()) != 1) {
    return failed();
  }
  signature.resize(size);
  return signature;
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  PR_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) == 1,
           "SHA-256");
}

Sha256::~Sha256() {
  EVP_MD_CTX_free(context_);
}

void Sha256::update(std::string_view bytes) {
  PR_CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1, "SHA-256");
}

Digest Sha256::finish() {
  Digest digest{};
  PR_CHECK(EVP_DigestFinal_ex(context_, digest.data(), nullptr) == 1, "SHA-256");
  return digest;
}

std::string_view name_of(Algorithm algorithm) {
  return algorithm == Algorithm::kRsa ? "rsa-sha256" : "ed25519-sha256";
}

Result<std::shared_ptr<const Key>> Key::read(const std::string& path) {
  auto pem = read_key_file(path);
  if (!pem) return failure(pem.error());
  auto key = parse(*pem, "DKIM key file " + path);
  OPENSSL_cleanse(pem->data(), pem->size());
  return key;
}

Result<std::shared_ptr<const Key>> Key::parse(const std::string& pem, const std::string& what) {
  ERR_clear_error();
  const Owned<BIO> reader(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  EVP_PKEY* raw = PEM_read_bio_PrivateKey(reader.get(), nullptr, refuse_passphrase, nullptr);
  if (raw == nullptr) return failure("cannot use " + what + ": " + why_no_key(pem));
  const std::shared_ptr<Key> key(new Key(raw));
  if (auto good = key->examine(what); !good) return failure(good.error());
  return key;
}

Result<void> Key::examine(const std::string& what) {
  switch (EVP_PKEY_get_base_id(key_)) {
    case EVP_PKEY_RSA:
      algorithm_ = Algorithm::kRsa;
      break;
    case EVP_PKEY_ED25519:
      algorithm_ = Algorithm::kEd25519;
      break;
    default:
      return failure("cannot use " + what + ": DKIM knows RSA and Ed25519 keys, no others");
  }
  bits_ = static_cast<unsigned>(EVP_PKEY_get_bits(key_));
  if (algorithm_ == Algorithm::kRsa && (bits_ < kRsaBitsMin || bits_ > kRsaBitsMax)) {
    return failure("cannot use " + what + ": an RSA key of " + std::to_string(bits_) +
                   " bits; verifiers take " + std::to_string(kRsaBitsMin) + " to " +
                   std::to_string(kRsaBitsMax));
  }
  if (auto tried = sign({}); !tried) {
    return failure("cannot use " + what + ": " + tried.error().text());
  }
  const std::string_view type = algorithm_ == Algorithm::kRsa ? "rsa" : "ed25519";
  record_ = "v=DKIM1; k=" + std::string(type) + "; p=" + public_key(key_, algorithm_);
  return {};
}

Key::~Key() {
  EVP_PKEY_free(key_);
}

Result<std::string> Key::sign(const Digest& digest) const {
  ERR_clear_error();
  return algorithm_ == Algorithm::kRsa ? sign_rsa(key_, digest) : sign_ed25519(key_, digest);
}

}  // namespace postrider::signing
