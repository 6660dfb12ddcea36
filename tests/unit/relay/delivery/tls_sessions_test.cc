#include "relay/delivery/tls_sessions.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

namespace postrider::delivery {
namespace {

const Target kOne{"mx.example", *IpAddress::parse("192.0.2.1")};
const Target kOther{"mx.example", *IpAddress::parse("192.0.2.2")};

tls::Session a_session() {
  return tls::Session(SSL_SESSION_new());
}

TEST(TlsSessions, GivesASessionOnce) {
  TlsSessions sessions;
  EXPECT_FALSE(sessions.take(kOne));
  sessions.keep(kOne, a_session());
  EXPECT_TRUE(sessions.take(kOne));
  EXPECT_FALSE(sessions.take(kOne));
}

TEST(TlsSessions, EachAddressHasItsOwn) {
  TlsSessions sessions;
  sessions.keep(kOne, a_session());
  EXPECT_FALSE(sessions.take(kOther));
  EXPECT_TRUE(sessions.take(kOne));
}

TEST(TlsSessions, KeepsTheNewest) {
  TlsSessions sessions;
  sessions.keep(kOne, a_session());
  tls::Session newer = a_session();
  const ssl_session_st* const raw = newer.raw();
  sessions.keep(kOne, std::move(newer));
  EXPECT_EQ(sessions.take(kOne)->raw(), raw);
}

TEST(TlsSessions, HoldsABoundedNumber) {
  TlsSessions sessions;
  for (int i = 0; i < 200; ++i) {
    sessions.keep({"mx" + std::to_string(i) + ".example", kOne.ip}, a_session());
  }
  int held = 0;
  for (int i = 0; i < 200; ++i) {
    held += sessions.take({"mx" + std::to_string(i) + ".example", kOne.ip}) ? 1 : 0;
  }
  EXPECT_EQ(held, 64);
}

}  // namespace
}  // namespace postrider::delivery
