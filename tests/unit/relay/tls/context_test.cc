#include "relay/tls/context.h"

#include <gmock/gmock.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/relay/tls/authority_fixture.h"
#include "tests/unit/relay/tls/tls_fixture.h"

namespace postrider::tls {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// Runs with the rights of nobody while it lives, where the tests run as root.
class Unprivileged {
 public:
  Unprivileged() : was_root_(::geteuid() == 0 && ::seteuid(65534) == 0) {}

  ~Unprivileged() {
    if (was_root_ && ::seteuid(0) != 0) ADD_FAILURE() << "root's rights did not come back";
  }

  Unprivileged(const Unprivileged&) = delete;
  Unprivileged& operator=(const Unprivileged&) = delete;

 private:
  bool was_root_;
};

class ServerContextTest : public testing::Test {
 protected:
  std::string error_of(const std::string& certificate, const std::string& key) {
    const auto context = Context::server({certificate, key});
    return context ? "no error" : context.error().text();
  }

  std::string error_with_certificate(std::string_view bytes) {
    return error_of(files_.directory.write("other.pem", bytes), files_.server.key_file);
  }

  std::string error_with_key(std::string_view bytes) {
    return error_of(files_.server.certificate_file, files_.directory.write("other.key", bytes));
  }

  std::string missing() { return files_.directory.path("missing.pem"); }

  IdentityFiles files_;
};

TEST_F(ServerContextTest, TakesACertificateAndItsKey) {
  EXPECT_EQ(error_of(files_.server.certificate_file, files_.server.key_file), "no error");
}

TEST_F(ServerContextTest, TakesBothFromOneFile) {
  const auto identity = generate_identity({"mx.example"}, 1).value();
  const auto path = files_.directory.write("both.pem", identity.key_pem + identity.certificate_pem);
  EXPECT_EQ(error_of(path, path), "no error");
}

TEST_F(ServerContextTest, NamesTheFileThatIsMissing) {
  EXPECT_EQ(error_of(missing(), files_.server.key_file),
            "cannot read certificate file " + missing() + ": No such file or directory");
  EXPECT_EQ(error_of(files_.server.certificate_file, missing()),
            "cannot read key file " + missing() + ": No such file or directory");
  EXPECT_EQ(Context::server({missing(), missing()}).error().system_code(), ENOENT);
}

TEST_F(ServerContextTest, NamesTheFileThatItMayNotRead) {
  // The directory may be entered, the key not read.
  ASSERT_EQ(::chmod(files_.directory.path("").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(files_.server.key_file.c_str(), 0), 0);
  const Unprivileged nobody;
  EXPECT_EQ(error_of(files_.server.certificate_file, files_.server.key_file),
            "cannot read key file " + files_.server.key_file + ": Permission denied");
}

TEST_F(ServerContextTest, SaysThatAFileIsNotPem) {
  EXPECT_THAT(error_with_certificate("hello"),
              AllOf(HasSubstr("certificate file"), HasSubstr("other.pem: it holds no PEM cert")));
  EXPECT_THAT(error_with_key("hello"),
              AllOf(HasSubstr("key file"), HasSubstr("other.key: it holds no PEM private key")));
}

TEST_F(ServerContextTest, SaysThatAFileIsEmptyOrADirectory) {
  EXPECT_THAT(error_with_certificate(""), HasSubstr("other.pem: it is empty"));
  EXPECT_THAT(error_with_key(""), HasSubstr("other.key: it is empty"));
  EXPECT_THAT(error_of("/tmp", files_.server.key_file), HasSubstr("/tmp: it is a directory"));
  EXPECT_THAT(error_of("/dev/null", files_.server.key_file), HasSubstr("not a regular file"));
}

TEST_F(ServerContextTest, RefusesAFileOfAbsurdSize) {
  EXPECT_THAT(error_with_certificate(std::string((8U << 20) + 1, 'x')),
              HasSubstr("larger than 8 MiB"));
}

TEST_F(ServerContextTest, SuspectsSwappedFiles) {
  const std::string error = error_of(files_.server.key_file, files_.server.certificate_file);
  EXPECT_THAT(error, AllOf(HasSubstr("key.pem"), HasSubstr("are the two swapped?")));
  EXPECT_THAT(error_of(files_.server.certificate_file, files_.server.certificate_file),
              HasSubstr("it holds a certificate and no private key; are the two swapped?"));
}

TEST_F(ServerContextTest, SaysThatTheKeyBelongsToAnotherCertificate) {
  const auto other = generate_identity({"mx.example"}, 1).value();
  EXPECT_THAT(error_with_key(other.key_pem),
              AllOf(HasSubstr("other.key does not belong to the certificate in"),
                    HasSubstr(files_.server.certificate_file)));
}

TEST_F(ServerContextTest, SaysThatAKeyIsEncrypted) {
  EXPECT_THAT(error_with_key(Authority::locked_key()), HasSubstr("encrypted with a passphrase"));
}

TEST_F(ServerContextTest, SaysWhichCertificateOfAChainIsDamaged) {
  const auto good = generate_identity({"mx.example"}, 1).value().certificate_pem;
  std::string bad = good;
  bad.replace(bad.find("\nMII") + 1, 8, "AAAAAAAA");
  EXPECT_THAT(error_with_certificate(good + bad), HasSubstr("certificate 2 in it is damaged"));
}

TEST_F(ServerContextTest, SaysThatAKeyIsDamaged) {
  std::string bad = generate_identity({"mx.example"}, 1).value().key_pem;
  bad.replace(bad.find("\nM") + 1, 8, "AAAAAAAA");
  EXPECT_THAT(error_with_key(bad), HasSubstr("the private key in it is damaged"));
}

TEST_F(ServerContextTest, RefusesAKeyTooSmallForItsClients) {
  const IdentityFiles small(Authority::small_rsa(1024));
  const std::string error = error_of(small.server.certificate_file, small.server.key_file);
  EXPECT_THAT(error, AllOf(HasSubstr(small.server.certificate_file), HasSubstr("key too small")));
}

TEST_F(ServerContextTest, NeverShowsWhatIsInAKeyFile) {
  EXPECT_THAT(error_with_key("my secret passphrase"), Not(HasSubstr("secret")));
}

class CertificateEndTest : public testing::Test {
 protected:
  // What is said of a certificate that ends in so many days.
  static std::string warning(int days) {
    IssueOptions options;
    options.from_days = -100;
    options.to_days = days;
    const IdentityFiles files(Authority().issue(options));
    return expiry_warning(*server_context(files), "cert.pem", SystemClock().wall());
  }
};

TEST_F(CertificateEndTest, IsThatOfTheLeaf) {
  const Authority authority;  // ends in 30 days
  IssueOptions options;
  options.to_days = 20;
  GeneratedIdentity identity = authority.issue(options);
  identity.certificate_pem += authority.pem();
  const auto left = server_context(IdentityFiles(identity))->ends() - SystemClock().wall();
  EXPECT_GT(left, std::chrono::days(20) - Seconds(60));
  EXPECT_LE(left, std::chrono::days(20) + Seconds(1));
}

TEST_F(CertificateEndTest, IsSpokenOfWhenItIsNear) {
  EXPECT_EQ(warning(15), "");
  EXPECT_THAT(warning(14),
              testing::StartsWith("the certificate in cert.pem ends in 13 days, at 2"));
  EXPECT_THAT(warning(2), HasSubstr("ends in 1 day, at"));
  EXPECT_THAT(warning(1), HasSubstr("ends in 0 days, at"));
  EXPECT_THAT(warning(-1),
              testing::StartsWith("the certificate in cert.pem has expired: it ended "));
}

TEST(ClientContext, NeedsNothingWhereNothingIsChecked) {
  const auto context = Context::client({Verification::kNone, "/nowhere"});
  ASSERT_TRUE(context);
  EXPECT_FALSE((*context)->verifies_peer());
}

TEST(ClientContext, ReadsTheAuthoritiesItIsGiven) {
  const Authority first;
  const Authority second;
  const TempDirectory directory;
  const auto context = Context::client(
      {Verification::kPeer, directory.write("ca.pem", first.pem() + "text\n" + second.pem())});
  ASSERT_TRUE(context) << context.error().text();
  EXPECT_TRUE((*context)->verifies_peer());
  EXPECT_EQ(sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store((*context)->raw()))),
            2);
}

TEST(ClientContext, NamesTheBundleThatFails) {
  const TempDirectory directory;
  const auto missing = Context::client({Verification::kPeer, directory.path("ca.pem")});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().text(),
            "cannot read CA file " + directory.path("ca.pem") + ": No such file or directory");
  const auto empty = Context::client({Verification::kPeer, directory.write("ca.pem", "# none")});
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().text(), HasSubstr("ca.pem: it holds no PEM certificate"));
}

TEST(ClientContext, UsesTheSystemsAuthoritiesOrSaysThatThereAreNone) {
  const auto context = Context::client({Verification::kPeer, ""});
  if (context) {
    X509_STORE* store = SSL_CTX_get_cert_store((*context)->raw());
    EXPECT_GT(sk_X509_OBJECT_num(X509_STORE_get0_objects(store)), 0);
  } else {
    EXPECT_THAT(context.error().text(), HasSubstr("install ca-certificates"));
  }
}

TEST(ClientContext, GivesEachContextItsOwnId) {
  EXPECT_NE(any_client()->id(), any_client()->id());
}

}  // namespace
}  // namespace postrider::tls
