#include "relay/tls/pem.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace postrider::tls {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}

  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

Result<std::string> read_to_end(int descriptor, const std::string& what) {
  std::string bytes;
  std::array<char, 16384> part;  // NOLINT(*-init): read(2) fills it
  for (;;) {
    const ssize_t count = ::read(descriptor, part.data(), part.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure(Error::from_errno("cannot read " + what, errno));
    if (count == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(count) > kPemFileMax) {
      return failure("cannot use " + what + ": larger than " + std::to_string(kPemFileMax >> 20) +
                     " MiB");
    }
    bytes.append(part.data(), static_cast<std::size_t>(count));
  }
}

Result<std::string> read_file(const std::string& what, const std::string& path) {
  // O_NONBLOCK: a FIFO put in the file's place must not hang the start.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.number() < 0) return failure(Error::from_errno("cannot read " + what, errno));

  struct stat facts {};

  if (::fstat(file.number(), &facts) != 0) {
    return failure(Error::from_errno("cannot read " + what, errno));
  }
  if (!S_ISREG(facts.st_mode)) {
    return failure("cannot use " + what +
                   (S_ISDIR(facts.st_mode) ? ": it is a directory" : ": it is not a regular file"));
  }
  return read_to_end(file.number(), what);
}

BioPtr reader_of(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

bool at_end_of_pem() {
  const unsigned long last = ERR_peek_last_error();
  return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

bool holds(const std::string& pem, std::string_view words) {
  return pem.find(words) != std::string::npos;
}

constexpr std::string_view kCertificateLine = "-----BEGIN CERTIFICATE-----";
constexpr std::string_view kKeyLine = "PRIVATE KEY-----";

std::string why_no_certificate(const std::string& pem) {
  if (pem.empty()) return "it is empty";
  if (holds(pem, kKeyLine))
    return "it holds a private key and no certificate; are the two swapped?";
  return "it holds no PEM certificate";
}

std::string why_no_key(const std::string& pem) {
  if (pem.empty()) return "it is empty";
  if (holds(pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds(pem, "Proc-Type: 4,ENCRYPTED")) {
    return "the key is encrypted with a passphrase; it must be stored without one";
  }
  if (holds(pem, kKeyLine)) return "the private key in it is damaged: " + drain_errors();
  if (holds(pem, kCertificateLine)) {
    return "it holds a certificate and no private key; are the two swapped?";
  }
  return "it holds no PEM private key";
}

int no_passphrase(char*, int, int, void*) {
  return -1;
}

}  // namespace

Result<std::vector<CertificatePtr>> read_certificates(const std::string& role,
                                                      const std::string& path) {
  const std::string what = role + " " + path;
  const auto pem = read_file(what, path);
  if (!pem) return failure(pem.error());
  const BioPtr reader = reader_of(*pem);
  std::vector<CertificatePtr> found;
  for (;;) {
    ERR_clear_error();
    CertificatePtr certificate(
        PEM_read_bio_X509_AUX(reader.get(), nullptr, no_passphrase, nullptr));
    if (certificate == nullptr) break;
    found.push_back(std::move(certificate));
  }
  if (!at_end_of_pem()) {
    return failure("cannot use " + what + ": certificate " + std::to_string(found.size() + 1) +
                   " in it is damaged: " + drain_errors());
  }
  ERR_clear_error();
  if (found.empty()) return failure("cannot use " + what + ": " + why_no_certificate(*pem));
  return found;
}

Result<KeyPtr> read_key(const std::string& path) {
  const std::string what = "key file " + path;
  auto pem = read_file(what, path);
  if (!pem) return failure(pem.error());
  ERR_clear_error();
  KeyPtr key(PEM_read_bio_PrivateKey(reader_of(*pem).get(), nullptr, no_passphrase, nullptr));
  Result<KeyPtr> outcome = key != nullptr ? Result<KeyPtr>(std::move(key))
                                          : failure("cannot use " + what + ": " + why_no_key(*pem));
  OPENSSL_cleanse(pem->data(), pem->size());
  ERR_clear_error();
  return outcome;
}

}  // namespace postrider::tls
