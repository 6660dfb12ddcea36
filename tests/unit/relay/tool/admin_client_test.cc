#include "relay/tool/admin_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/admin/server.h"
#include "tests/unit/relay/admin/filled_queue.h"

namespace postrider::tool {
namespace {

using testing::HasSubstr;

class AdminClientTest : public testing::Test {
 protected:
  AdminClientTest() {
    admin::Options options;
    options.address.port = 0;
    options.token = "0123456789abcdef";
    server_ = *admin::Server::start(options, *filled_.queue, filled_.metrics, filled_.clock);
  }

  admin::FilledQueue filled_;
  std::unique_ptr<admin::Server> server_;
};

TEST_F(AdminClientTest, BringsTheTokenAndTheParameters) {
  filled_.add("a+b@s.example", {{"c", "one.example"}});
  const AdminClient client(server_->endpoint(), "0123456789abcdef");
  const auto found = client.send("GET", "/messages", {{"sender", "a+b@s.example"}});
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_EQ(found->code, 200);
  EXPECT_THAT(found->body, HasSubstr("a+b@s.example"));
  const auto none = client.send("GET", "/messages", {{"sender", "x&limit=1@s.example"}});
  ASSERT_TRUE(none);
  EXPECT_THAT(none->body, HasSubstr("\"messages\":[]"));
}

TEST_F(AdminClientTest, ARefusalIsAnAnswer) {
  const auto refused = AdminClient(server_->endpoint(), "").send("GET", "/queue");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, 401);
}

TEST_F(AdminClientTest, AnUnspecifiedAddressIsAskedOnLoopback) {
  EXPECT_EQ(AdminClient({*IpAddress::parse("0.0.0.0"), 8025}, "").address().to_string(),
            "127.0.0.1:8025");
  EXPECT_EQ(AdminClient({*IpAddress::parse("::"), 8025}, "").address().to_string(), "[::1]:8025");
  EXPECT_EQ(AdminClient({*IpAddress::parse("192.0.2.1"), 1}, "").address().to_string(),
            "192.0.2.1:1");
}

TEST_F(AdminClientTest, TellsThatNobodyListens) {
  const Endpoint endpoint = server_->endpoint();
  server_.reset();
  const auto reply = AdminClient(endpoint, "").send("GET", "/queue");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().text(),
            "nothing answers on " + endpoint.to_string() + ": nobody listens there");
}

}  // namespace
}  // namespace postrider::tool
