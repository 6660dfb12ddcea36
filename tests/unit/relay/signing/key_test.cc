#include "relay/signing/key.h"

#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "relay/base/ascii.h"
#include "tests/unit/relay/signing/example_keys.h"

namespace postrider::signing {
namespace {

using testing::HasSubstr;

// PEM text of a new key.
std::string new_key(EVP_PKEY* key) {
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(out);
  EVP_PKEY_free(key);
  return pem;
}

std::string error_of(const std::string& pem) {
  const auto key = Key::parse(pem, "k");
  return key ? "" : key.error().text();
}

TEST(Key, KnowsItsKindAndItsRecord) {
  const auto rsa = *Key::parse(kExampleRsaKey, "k");
  EXPECT_EQ(rsa->algorithm(), Algorithm::kRsa);
  EXPECT_EQ(rsa->bits(), 1024U);
  EXPECT_EQ(rsa->record(), kExampleRsaRecord);
  const auto ed25519 = *Key::parse(kExampleEd25519Key, "k");
  EXPECT_EQ(ed25519->algorithm(), Algorithm::kEd25519);
  EXPECT_EQ(ed25519->record(), kExampleEd25519Record);
}

TEST(Key, SignsAsTheAlgorithmsSay) {
  Sha256 sha;
  sha.update("a");
  sha.update("bc");
  const Digest digest = sha.finish();
  EXPECT_EQ(ascii::hex({reinterpret_cast<const char*>(digest.data()), digest.size()}),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ((*Key::parse(kExampleRsaKey, "k"))->sign(digest)->size(), 128U);
  EXPECT_EQ((*Key::parse(kExampleEd25519Key, "k"))->sign(digest)->size(), 64U);
}

TEST(Key, RefusesWhatCannotSign) {
  EXPECT_EQ(error_of(""), "cannot use k: it is empty");
  EXPECT_EQ(error_of("words"), "cannot use k: it holds no PEM private key");
  EXPECT_THAT(error_of("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"),
              HasSubstr("is damaged"));
  EXPECT_THAT(error_of("-----BEGIN PUBLIC KEY-----\nMC4C\n-----END PUBLIC KEY-----\n"),
              HasSubstr("the private one is needed"));
  EXPECT_THAT(
      error_of("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMC4C\n-----END ENCRYPTED PRIVATE KEY-----"),
      HasSubstr("without one"));
}

TEST(Key, RefusesOtherAlgorithmsAndSmallKeys) {
  EXPECT_EQ(error_of(new_key(EVP_EC_gen("P-256"))),
            "cannot use k: DKIM knows RSA and Ed25519 keys, no others");
  EXPECT_EQ(error_of(new_key(EVP_RSA_gen(512))),
            "cannot use k: an RSA key of 512 bits; verifiers take 1024 to 4096");
  EXPECT_EQ(error_of(new_key(EVP_RSA_gen(2048))), "");
}

TEST(Key, IsReadFromAFile) {
  const KeyFolder folder;
  EXPECT_TRUE(Key::read(folder.write("k.pem", kExampleEd25519Key)));
  EXPECT_THAT(
      Key::read("/nonexistent/k.pem").error().text(),
      HasSubstr("cannot use DKIM key file /nonexistent/k.pem: cannot open the file: No such file"));
  EXPECT_THAT(Key::read("/tmp").error().text(), HasSubstr("Is a directory"));
  EXPECT_THAT(Key::read("/dev/zero").error().text(),
              HasSubstr("cannot read the file: it is a device or a pipe"));
  EXPECT_THAT(Key::read(folder.write("large", std::string(Key::kFileMax + 1, 'x'))).error().text(),
              HasSubstr("larger than 65536 octets"));
}

}  // namespace
}  // namespace postrider::signing
