#include "relay/base/ascii.h"
#include "tests/unit/relay/smtp/client_fixture.h"

namespace postrider::smtp {
namespace {

// Connections that begin with TLS. What is said when is in tests/dialogs/client_auth.smtp.
class ClientAuthTest : public ClientFixture {
 protected:
  ClientAuthTest() {
    tls = TlsFacts{"TLSv1.3", "TLS_AES_256_GCM_SHA384"};
    options.login = ClientLogin{"app", "secret"};
  }

  std::string greet(std::string_view offer) {
    EXPECT_EQ(server("220 mx.test ESMTP"), "EHLO relay.test\r\n");
    return raw("250-mx.test\r\n250 " + std::string(offer) + "\r\n");
  }
};

TEST_F(ClientAuthTest, LogsInBeforeItIsReady) {
  EXPECT_EQ(greet("AUTH plain"), "AUTH PLAIN AGFwcABzZWNyZXQ=\r\n");
  EXPECT_FALSE(ready);
  server("235 ok");
  EXPECT_TRUE(ready);
}

TEST_F(ClientAuthTest, ALongResponseWaitsForTheChallenge) {
  options.login->password.assign(600, 'p');
  EXPECT_EQ(greet("AUTH PLAIN"), "AUTH PLAIN\r\n");
  const std::string response = server("334 ");
  EXPECT_EQ(ascii::base64_decode(response.substr(0, response.size() - 2)),
            std::string("\0app\0", 5) + std::string(600, 'p'));
  server("235 ok");
  EXPECT_TRUE(ready);
}

TEST_F(ClientAuthTest, NobodyWithoutALoginLogsIn) {
  options.login.reset();
  EXPECT_EQ(greet("AUTH PLAIN"), "");
  EXPECT_TRUE(ready);
}

}  // namespace
}  // namespace postrider::smtp
