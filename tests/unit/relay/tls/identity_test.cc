#include <gmock/gmock.h>

#include "tests/unit/relay/tls/authority_fixture.h"
#include "tests/unit/relay/tls/tls_fixture.h"

namespace postrider::tls {
namespace {

class GeneratedTest : public testing::Test {
 protected:
  void generate(const std::vector<std::string>& names, unsigned days = 30) {
    const auto identity = generate_identity(names, days);
    ASSERT_TRUE(identity) << identity.error().text();
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> reader(
        BIO_new_mem_buf(identity->certificate_pem.data(), -1), BIO_free_all);
    certificate_.reset(PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr));
    ASSERT_NE(certificate_, nullptr);
  }

  bool is_for(const std::string& name) {
    return X509_check_host(certificate_.get(), name.data(), name.size(), 0, nullptr) == 1;
  }

  bool is_for_ip(const char* ip) { return X509_check_ip_asc(certificate_.get(), ip, 0) == 1; }

  int days_left() {
    int days = 0;
    int seconds = 0;
    ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate_.get()));
    return seconds > 0 ? days + 1 : days;
  }

  std::unique_ptr<X509, decltype(&X509_free)> certificate_{nullptr, X509_free};
};

TEST_F(GeneratedTest, BearsAllItsNames) {
  generate({"mx1.example", "mx2.example"});
  EXPECT_TRUE(is_for("mx1.example"));
  EXPECT_TRUE(is_for("mx2.example"));
  EXPECT_FALSE(is_for("mx3.example"));
}

TEST_F(GeneratedTest, BearsAddressesAsAddresses) {
  generate({"localhost", "127.0.0.1", "::1"});
  EXPECT_TRUE(is_for_ip("127.0.0.1"));
  EXPECT_TRUE(is_for_ip("::1"));
  EXPECT_FALSE(is_for_ip("127.0.0.2"));
}

TEST_F(GeneratedTest, LivesForItsDays) {
  generate({"mx.example"}, 30);
  EXPECT_EQ(days_left(), 30);
  EXPECT_LT(X509_cmp_current_time(X509_get0_notBefore(certificate_.get())), 0);
}

TEST_F(GeneratedTest, TakesANameTooLongForASubject) {
  const std::string name = std::string(60, 'a').append(".mail.example");
  generate({name});
  EXPECT_TRUE(is_for(name));
}

TEST_F(GeneratedTest, HasASerialNumberOfItsOwn) {
  generate({"mx.example"});
  const auto first = std::move(certificate_);
  generate({"mx.example"});
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(first.get()),
                             X509_get0_serialNumber(certificate_.get())),
            0);
}

TEST(GenerateIdentity, SaysWhatItCannotMake) {
  EXPECT_THAT(generate_identity({}, 1).error().text(), testing::HasSubstr("needs a name"));
  EXPECT_THAT(generate_identity({"a"}, 0).error().text(), testing::HasSubstr("for 0 days"));
  EXPECT_FALSE(generate_identity({"a"}, kGeneratedDaysMax + 1));
  EXPECT_TRUE(generate_identity({"a"}, kGeneratedDaysMax));
}

}  // namespace
}  // namespace postrider::tls
