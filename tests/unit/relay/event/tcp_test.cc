#include "relay/event/tcp.h"

#include <cerrno>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/relay/event/event_fixture.h"

namespace postrider::event {
namespace {

using ::testing::StartsWith;

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(Descriptor, ClosesWhatItHoldsOnce) {
  const int fd = ::dup(STDERR_FILENO);
  {
    Descriptor one(fd);
    const Descriptor other = std::move(one);
    EXPECT_FALSE(one.valid());  // NOLINT(bugprone-use-after-move): moved from means empty
    EXPECT_EQ(other.get(), fd);
    EXPECT_TRUE(is_open(fd));
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(Descriptor, AssignmentClosesTheOldOne) {
  const int old = ::dup(STDERR_FILENO);
  Descriptor descriptor(old);
  descriptor = Descriptor(::dup(STDERR_FILENO));
  EXPECT_FALSE(is_open(old));
  EXPECT_TRUE(is_open(descriptor.get()));
}

TEST(Descriptor, ReleaseGivesItAway) {
  Descriptor descriptor(::dup(STDERR_FILENO));
  const int fd = descriptor.release();
  EXPECT_FALSE(descriptor.valid());
  EXPECT_TRUE(is_open(fd));
  ::close(fd);
}

TEST(ListenOn, LetsTheSystemChooseThePort) {
  const auto listening = listen_on(any_port());
  ASSERT_TRUE(listening);
  const auto endpoint = local_endpoint(listening->get());
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->ip.to_string(), "127.0.0.1");
  EXPECT_NE(endpoint->port, 0);
}

TEST(ListenOn, NamesTheEndpointThatIsTaken) {
  const auto first = listen_on(any_port());
  ASSERT_TRUE(first);
  const Endpoint taken = *local_endpoint(first->get());
  const auto second = listen_on(taken);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text(),
            "listening on " + taken.to_string() + ": Address already in use");
  EXPECT_EQ(second.error().system_code(), EADDRINUSE);
}

TEST(ListenOn, NamesAnAddressThatIsNotOurs) {
  const auto foreign = listen_on(any_port("192.0.2.1"));
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error().text(), StartsWith("listening on 192.0.2.1:0: "));
}

TEST(ListenOn, BothFamiliesShareAPort) {
  // A port the system gave for one family may be in use in the other: a few are tried.
  constexpr int kTries = 20;
  bool shared = false;
  for (int i = 0; i < kTries && !shared; ++i) {
    const auto six = listen_on(any_port("::"));
    if (!six) GTEST_SKIP() << "no IPv6 here: " << six.error().text();
    const Endpoint same{*IpAddress::parse("0.0.0.0"), local_endpoint(six->get())->port};
    shared = listen_on(same).has_value();
  }
  EXPECT_TRUE(shared);
}

TEST(LocalEndpoint, FailsForWhatIsNoIpSocket) {
  EXPECT_FALSE(local_endpoint(-1));
  const Descriptor local(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(local_endpoint(local.get()));
}

class ListenerTest : public EventTest {
 protected:
  void start() {
    listener_.emplace(*Listener::create(
        *loop_, *listen_on(any_port()),
        [this](Descriptor connection, Endpoint peer) {
          peers_.push_back(peer);
          accepted_.push_back(std::move(connection));
          if (accept_hook_) accept_hook_();
        },
        exhausted_callback()));
  }

  UniqueFunction<void()> exhausted_callback() {
    return [this] {
      ++exhausted_;
      if (exhausted_hook_) exhausted_hook_();
    };
  }

  // A listener whose classes UBSan has met (see Exhaustion).
  void start_for_exhaustion() {
    exhausted_callback()();
    exhausted_ = 0;
    start();
    listener_.reset();
    start();
  }

  // Turns the loop without descriptors until they have been missed `times` times.
  bool run_exhausted(int times) {
    return run_until([this, times] {
      const Exhaustion exhaustion;
      loop_->poll_once();
      return exhausted_ >= times;
    });
  }

  Descriptor client() {
    Descriptor connected = raw_connect(listener_->endpoint());
    EXPECT_TRUE(connected.valid());
    return connected;
  }

  std::optional<Listener> listener_;
  std::vector<Descriptor> accepted_;
  std::vector<Endpoint> peers_;
  int exhausted_ = 0;
  std::function<void()> accept_hook_, exhausted_hook_;
};

TEST_F(ListenerTest, HandsOutNonBlockingConnectionsWithTheirPeer) {
  start();
  const Descriptor one = client();
  ASSERT_TRUE(run_until([this] { return accepted_.size() == 1; }));
  EXPECT_EQ(peers_.front(), *local_endpoint(one.get()));
  EXPECT_NE(::fcntl(accepted_.front().get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(accepted_.front().get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(ListenerTest, AcceptsManyInFewTurns) {
  start();
  std::vector<Descriptor> clients;
  for (int i = 0; i < 150; ++i) clients.push_back(client());
  turn(4);
  EXPECT_EQ(accepted_.size(), 150U);
}

TEST_F(ListenerTest, MayBeDestroyedWhileAccepting) {
  start();
  const Descriptor one = client(), other = client();
  accept_hook_ = [this] { listener_.reset(); };
  ASSERT_TRUE(run_until([this] { return !listener_; }));
  turn(3);
  EXPECT_EQ(accepted_.size(), 1U);
}

TEST_F(ListenerTest, GoesOnWhenMoved) {
  start();
  const Listener moved = std::move(*listener_);
  const Descriptor one = raw_connect(moved.endpoint());
  EXPECT_TRUE(run_until([this] { return accepted_.size() == 1; }));
}

TEST_F(ListenerTest, SurvivesDescriptorExhaustion) {
  start_for_exhaustion();
  const Descriptor first = client(), second = client(), third = client();
  const TimePoint begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(run_exhausted(1));
  // The oldest is told, the others wait.
  char byte = 0;
  EXPECT_EQ(::recv(first.get(), &byte, 1, 0), 0);
  EXPECT_EQ(accepted_.size(), 0U);
  ASSERT_TRUE(run_until([this] { return accepted_.size() == 2; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, Milliseconds(100)) << "accepting paused";
  EXPECT_EQ(peers_.front(), *local_endpoint(second.get()));
  EXPECT_EQ(exhausted_, 1);
}

TEST_F(ListenerTest, LeavesAReserveToTheRestOfTheProcess) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{static_cast<rlim_t>(Descriptor(::dup(0)).get()) + 64, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  start();
  std::vector<Descriptor> clients;  // in this process, so that each connection takes two
  for (int i = 0; i < 64 && exhausted_ == 0; ++i) {
    clients.push_back(raw_connect(listener_->endpoint()));
    turn(2);
  }
  std::vector<Descriptor> others;
  do {
    others.emplace_back(::dup(0));
  } while (others.back().valid());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(exhausted_, 1);
  EXPECT_GE(accepted_.size(), 10U);
  EXPECT_GE(others.size() - 1, few.rlim_cur / 8 - 1);  // the client's own end is one of them
  char byte = 0;
  EXPECT_EQ(::recv(clients.back().get(), &byte, 1, 0), 0) << "told at once";
}

TEST_F(ListenerTest, HasASpareDescriptorEachTime) {
  start_for_exhaustion();
  for (int time = 1; time <= 3; ++time) {
    const Descriptor turned_away = client();
    ASSERT_TRUE(run_exhausted(time));
    char byte = 0;
    EXPECT_EQ(::recv(turned_away.get(), &byte, 1, 0), 0);
    const auto served = static_cast<std::size_t>(time);
    const Descriptor accepted = client();
    ASSERT_TRUE(run_until([&] { return accepted_.size() == served; }));
  }
}

TEST_F(ListenerTest, MayBeDestroyedWhenExhausted) {
  start_for_exhaustion();
  const Descriptor one = client();
  exhausted_hook_ = [this] { listener_.reset(); };
  ASSERT_TRUE(run_exhausted(1));
  EXPECT_FALSE(listener_);
  turn(3);
}

TEST_F(ListenerTest, FailsWithoutADescriptorToSpare) {
  Descriptor listening = *listen_on(any_port());
  const auto listener = [&] {
    const Exhaustion exhaustion;
    return Listener::create(*loop_, std::move(listening), Listener::OnAccept(), {});
  }();
  ASSERT_FALSE(listener);
  EXPECT_THAT(listener.error().text(), StartsWith("opening a spare descriptor"));
}

}  // namespace
}  // namespace postrider::event
