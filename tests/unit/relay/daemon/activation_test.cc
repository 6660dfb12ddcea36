#include "relay/daemon/activation.h"

#include <cstdlib>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

namespace postrider::daemon {
namespace {

using ::testing::HasSubstr;

const Endpoint kAnyPort{*IpAddress::parse("127.0.0.1"), 0};

// Where passed descriptors begin in these tests: far above what is open.
constexpr int kFirst = 500;

class ActivationTest : public ::testing::Test {
 protected:
  ~ActivationTest() override {
    for (int i = 0; i < passed_; ++i) ::close(kFirst + i);
  }

  // Puts a listening socket where the next one is passed; its address.
  Endpoint pass() {
    const event::Descriptor socket = *event::listen_on(kAnyPort);
    const Endpoint address = *event::local_endpoint(socket.get());
    pass(socket.get());
    return address;
  }

  void pass(int descriptor) {
    // As it arrives: to be inherited, and blocking.
    ASSERT_EQ(::dup2(descriptor, kFirst + passed_), kFirst + passed_);
    ::fcntl(kFirst + passed_, F_SETFL, 0);
    ++passed_;
  }

  Result<std::vector<PassedSocket>> take(const std::string& names,
                                         const std::string& pid = std::to_string(::getpid())) {
    ::setenv("LISTEN_PID", pid.c_str(), 1);
    ::setenv("LISTEN_FDS", std::to_string(passed_).c_str(), 1);
    ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
    auto taken = take_passed_sockets(kFirst);
    if (taken && !taken->empty()) passed_ = 0;  // theirs now
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
      EXPECT_EQ(std::getenv(name), nullptr) << name;
    }
    return taken;
  }

  static submission::ListenerOptions listener(const Endpoint& address,
                                              const std::string& name = "") {
    submission::ListenerOptions options;
    options.address = address;
    options.socket = name;
    return options;
  }

  int passed_ = 0;
};

std::vector<Endpoint> addresses(const std::vector<event::Descriptor>& sockets) {
  std::vector<Endpoint> all;
  for (const event::Descriptor& socket : sockets) {
    all.push_back(event::local_endpoint(socket.get()).value_or(Endpoint{}));
  }
  return all;
}

TEST_F(ActivationTest, TakesWhatIsPassed) {
  const Endpoint one = pass();
  const Endpoint other = pass();
  const auto taken = take("smtp:smtps");
  ASSERT_TRUE(taken);
  ASSERT_EQ(taken->size(), 2U);
  EXPECT_EQ(taken->at(0).name, "smtp");
  EXPECT_EQ(taken->at(0).address, one);
  EXPECT_EQ(taken->at(1).name, "smtps");
  EXPECT_EQ(taken->at(1).address, other);
  const int number = taken->at(0).descriptor.get();
  EXPECT_NE(::fcntl(number, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(ActivationTest, NamesMayBeMissing) {
  pass();
  pass();
  const auto taken = take("smtp");
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->at(1).name, "");
}

TEST_F(ActivationTest, WhatIsPassedToAnotherProcessIsNotOurs) {
  pass();
  const auto taken = take("smtp", "1");
  ASSERT_TRUE(taken);
  EXPECT_TRUE(taken->empty());
}

TEST_F(ActivationTest, NothingPassedIsNoMistake) {
  ASSERT_TRUE(take_passed_sockets(kFirst));
  EXPECT_TRUE(take_passed_sockets(kFirst)->empty());
}

TEST_F(ActivationTest, OnlyListeningSocketsAreTaken) {
  const event::Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  pass(null.get());
  const auto taken = take("odd");
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().text(), HasSubstr("descriptor 500 ('odd')"));
  const event::Descriptor unbound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  passed_ = 0;
  pass(unbound.get());
  EXPECT_THAT(take("odd").error().text(), HasSubstr("no listening TCP socket"));
  passed_ = 0;  // closed by whoever looked at it
}

TEST_F(ActivationTest, ListenersFindTheirsByAddress) {
  const Endpoint one = pass();
  const Endpoint other = pass();
  auto taken = take("postrider.socket:postrider.socket");
  const auto sockets =
      sockets_of({listener(other), listener(kAnyPort), listener(one)}, *std::move(taken));
  ASSERT_TRUE(sockets) << sockets.error().text();
  const auto found = addresses(*sockets);
  EXPECT_EQ(found[0], other);
  EXPECT_EQ(found[2], one);
  EXPECT_NE(found[1].port, 0);  // bound here
}

TEST_F(ActivationTest, OrByName) {
  const Endpoint one = pass();
  const Endpoint other = pass();
  const Endpoint third = pass();
  auto taken = take("b:a:a");
  const auto sockets = sockets_of(
      {listener(kAnyPort, "b"), listener(third, "a"), listener(kAnyPort, "a")}, *std::move(taken));
  ASSERT_TRUE(sockets) << sockets.error().text();
  EXPECT_THAT(addresses(*sockets), ::testing::ElementsAre(one, third, other));
}

TEST_F(ActivationTest, ANameThatIsNotPassedIsAMistake) {
  pass();
  auto taken = take("a");
  const auto sockets = sockets_of({listener(kAnyPort, "b")}, *std::move(taken));
  ASSERT_FALSE(sockets);
  EXPECT_THAT(sockets.error().text(), HasSubstr("no (further) socket of the name 'b'"));
}

TEST_F(ActivationTest, WithoutAnyPassedANameBindsItsAddress) {
  const auto sockets = sockets_of({listener(kAnyPort, "b")}, {});
  ASSERT_TRUE(sockets);
  EXPECT_EQ(addresses(*sockets)[0].ip, kAnyPort.ip);
}

TEST_F(ActivationTest, APassedSocketThatIsNobodysIsAMistake) {
  const Endpoint one = pass();
  auto taken = take("a");
  const auto sockets = sockets_of({listener(kAnyPort)}, *std::move(taken));
  ASSERT_FALSE(sockets);
  EXPECT_EQ(sockets.error().text(), "the socket 'a' on " + one.to_string() +
                                        ", passed by the service manager, is that of no "
                                        "[[listener]]");
}

}  // namespace
}  // namespace postrider::daemon
