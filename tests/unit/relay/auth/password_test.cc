#include "relay/auth/password.h"

#include <gmock/gmock.h>

namespace postrider::auth {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// "sesame" in the forms that other programs make (mkpasswd, htpasswd).
constexpr const char* kSha512 =
    "$6$rounds=1000$saltsalt$5Oji4y.RQw4TBqlwXcGLBsxSL7.Pw5hdIpFn"
    "zMJTl.OaKsU3EiPTP5NseI3oKDT8iioErVqshwXGd40hlWBLx1";
constexpr const char* kSha256 =
    "$5$rounds=1000$saltsalt$30.yc4HsSpLTxr3NqKw4EhPINDzNTqzxg9qelAitDW2";
constexpr const char* kBcrypt = "$2b$04$abcdefghijklmnopqrstuuinwY/tkBVrn3xrxQI/TgnMHhkvl85RW";

std::string error_of(const std::string& hash) {
  const auto checked = check_hash(hash);
  return checked ? "" : checked.error().text();
}

TEST(HashPassword, MakesYescryptThatMatchesItsPasswordOnly) {
  const auto hash = hash_password("open sesame");
  ASSERT_TRUE(hash);
  EXPECT_THAT(*hash, StartsWith("$y$"));
  EXPECT_TRUE(check_hash(*hash));
  EXPECT_TRUE(verify_password("open sesame", *hash));
  EXPECT_FALSE(verify_password("open sesamf", *hash));
  EXPECT_FALSE(verify_password("open sesame ", *hash));
  EXPECT_FALSE(verify_password("", *hash));
}

TEST(HashPassword, SaltsEachTime) {
  EXPECT_NE(hash_password("sesame").value(), hash_password("sesame").value());
}

TEST(HashPassword, TakesAnyOctetsButNul) {
  const std::string odd = "p\xc3\xa4ss:w\xff$\t";
  EXPECT_TRUE(verify_password(odd, hash_password(odd).value()));
  EXPECT_FALSE(hash_password(std::string("a\0b", 3)));
}

TEST(HashPassword, RefusesWhatCryptWouldConfuse) {
  EXPECT_TRUE(hash_password(std::string(511, 'x')));
  EXPECT_FALSE(hash_password(std::string(512, 'x')));
  EXPECT_FALSE(hash_password(""));
}

TEST(VerifyPassword, ANulDoesNotHideWhatFollows) {
  const std::string hash = hash_password("sesame").value();
  EXPECT_FALSE(verify_password(std::string("sesame\0x", 8), hash));
  EXPECT_FALSE(verify_password(std::string("sesame\0", 7), hash));
}

TEST(VerifyPassword, AnOverlongPasswordMatchesNothing) {
  EXPECT_FALSE(verify_password(std::string(5000, 'x'), hash_password("x").value()));
}

TEST(VerifyPassword, KnowsTheFormsOfOtherPrograms) {
  for (const char* hash : {kSha512, kSha256, kBcrypt}) {
    EXPECT_EQ(error_of(hash), "");
    EXPECT_TRUE(verify_password("sesame", hash)) << hash;
    EXPECT_FALSE(verify_password("Sesame", hash)) << hash;
  }
}

TEST(VerifyPassword, AHashOfUnknownFormMatchesNothing) {
  for (const char* hash : {"", "*", "*0", "x", "sesame", "{PLAIN}sesame", "ab0DyJmrEHCXw", "$1$s$x",
                           "$y$", "$y$j9T$salt$", "$6$salt$", "$", "$$"}) {
    EXPECT_FALSE(verify_password("sesame", hash)) << hash;
    EXPECT_FALSE(verify_password("", hash)) << hash;
  }
}

TEST(CheckHash, SaysWhatIsNotSupported) {
  EXPECT_EQ(error_of(""), "the password hash is empty");
  EXPECT_THAT(error_of("$1$salt$BsA5wxwPdbc6Ej5Pk4wqT1"),
              AllOf(HasSubstr("begin with $1$ are not"), HasSubstr("yescrypt ($y$)")));
  EXPECT_THAT(error_of("ab0DyJmrEHCXw"), HasSubstr("without a $...$ prefix"));
  EXPECT_THAT(error_of("{SSHA}abcdef"), HasSubstr("without a $...$ prefix"));
}

TEST(CheckHash, NoticesAHashThatWasCut) {
  const std::string whole = hash_password("sesame").value();
  EXPECT_EQ(error_of(whole), "");
  EXPECT_THAT(error_of(whole.substr(0, whole.size() - 1)), HasSubstr("$y$ is not whole"));
  EXPECT_THAT(error_of(whole + "x"), HasSubstr("not whole"));
  EXPECT_THAT(error_of(whole + '\n'), HasSubstr("not whole"));
}

TEST(CheckHash, ShowsNoMoreThanThePrefix) {
  const std::string whole = hash_password("sesame").value();
  EXPECT_THAT(error_of(whole + "x"), Not(HasSubstr(whole.substr(4, 10))));
  EXPECT_THAT(error_of("plain-password"), Not(HasSubstr("plain-password")));
}

}  // namespace
}  // namespace postrider::auth
