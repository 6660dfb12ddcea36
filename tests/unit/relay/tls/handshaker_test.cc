#include "relay/tls/handshaker.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "tests/unit/relay/base/later.h"
#include "tests/unit/relay/tls/tls_fixture.h"

namespace postrider::tls {
namespace {

using State = Engine::State;

class HandshakerTest : public testing::Test {
 protected:
  std::shared_ptr<Engine> new_client() {
    auto client = std::make_shared<Engine>(Engine::client(any_client(), "mx.example"));
    std::string nothing;
    client->receive({}, nothing);
    return client;
  }

  std::shared_ptr<Engine> new_server() {
    return std::make_shared<Engine>(Engine::server(server_context(files_)));
  }

  // One step of `to` with what `from` has to say.
  std::string step(Engine& from, const std::shared_ptr<Engine>& to) {
    std::string got = "not called";
    handshaker_.receive(to, from.take_output(), later_,
                        [&got](std::string plain) { got = std::move(plain); });
    EXPECT_EQ(got, "not called");
    later_.run(1);
    return got;
  }

  IdentityFiles files_;
  Later later_;
  Handshaker handshaker_{"test"};
};

TEST_F(HandshakerTest, MakesTheStepsOfBothSides) {
  const auto client = new_client();
  const auto server = new_server();
  EXPECT_EQ(step(*client, server), "");
  EXPECT_EQ(server->state(), State::kHandshaking);
  EXPECT_EQ(step(*server, client), "");
  ASSERT_EQ(client->state(), State::kOpen);
  client->send("EHLO me\r\n");
  EXPECT_EQ(step(*client, server), "EHLO me\r\n") << "what came with the end of the handshake";
  EXPECT_EQ(server->state(), State::kOpen);
}

TEST_F(HandshakerTest, AFailureIsTheEngines) {
  const auto client = new_client();
  std::string got = "not called";
  handshaker_.receive(client, "554 go away\r\n", later_,
                      [&got](std::string plain) { got = std::move(plain); });
  later_.run(1);
  EXPECT_EQ(got, "");
  EXPECT_EQ(client->state(), State::kFailed);
}

TEST_F(HandshakerTest, ItsThreadsKeepNoEngine) {
  auto client = new_client();
  const std::weak_ptr<Engine> seen = client;
  handshaker_.receive(std::move(client), "554 go away\r\n", later_, [](const std::string&) {});
  later_.run(1);
  EXPECT_TRUE(seen.expired());
}

TEST_F(HandshakerTest, WhatWaitsWhenItIsStoppedIsDropped) {
  const std::string hello = new_client()->take_output();
  for (int i = 0; i < 200; ++i)
    handshaker_.receive(new_server(), hello, later_, [](const auto&) {});
  handshaker_.stop();
}

}  // namespace
}  // namespace postrider::tls
