#include "relay/event/poll.h"

#include <array>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/relay/event/event_fixture.h"

namespace postrider::event {
namespace {

class PollTest : public EventTest {
 protected:
  PollTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    near_ = Descriptor(ends[0]);
    far_ = Descriptor(ends[1]);
  }

  Poll recording() {
    return *Poll::create(*loop_, near_.get(), [this](bool readable, bool writable) {
      readable_ += readable ? 1 : 0;
      writable_ += writable ? 1 : 0;
    });
  }

  void send_from_far() { ASSERT_EQ(::write(far_.get(), "x", 1), 1); }

  Descriptor near_, far_;
  int readable_ = 0;
  int writable_ = 0;
};

TEST_F(PollTest, WatchesNothingAtFirst) {
  const Poll poll = recording();
  send_from_far();
  turn(3);
  EXPECT_EQ(readable_ + writable_, 0);
}

TEST_F(PollTest, TellsWhatIsWatched) {
  Poll poll = recording();
  poll.watch(true, false);
  turn(2);
  EXPECT_EQ(readable_, 0);
  send_from_far();
  EXPECT_TRUE(run_until([this] { return readable_ > 0; }));
  EXPECT_EQ(writable_, 0);
  poll.watch(false, true);
  EXPECT_TRUE(run_until([this] { return writable_ > 0; }));
}

TEST_F(PollTest, StopsAndStartsAgain) {
  Poll poll = recording();
  send_from_far();
  poll.watch(true, false);
  EXPECT_TRUE(run_until([this] { return readable_ > 0; }));
  poll.watch(false, false);
  const int before = readable_;
  turn(5);
  EXPECT_EQ(readable_, before);
  poll.watch(true, false);
  EXPECT_TRUE(run_until([this, before] { return readable_ > before; }));
}

TEST_F(PollTest, MayDestroyItself) {
  std::optional<Poll> poll;
  const auto owned = std::make_shared<int>(1);
  poll.emplace(*Poll::create(*loop_, near_.get(), [&poll, owned](bool, bool) { poll.reset(); }));
  poll->watch(false, true);
  EXPECT_TRUE(run_until([&] { return !poll; }));
  EXPECT_EQ(owned.use_count(), 1);
}

TEST_F(PollTest, MayStopItself) {
  std::optional<Poll> poll;
  int calls = 0;
  poll.emplace(*Poll::create(*loop_, near_.get(), [&](bool, bool) {
    ++calls;
    poll->watch(false, false);
  }));
  poll->watch(false, true);
  turn(5);
  EXPECT_EQ(calls, 1);
}

TEST_F(PollTest, KeepsWatchingWhenMoved) {
  Poll poll = recording();
  poll.watch(false, true);
  const Poll moved = std::move(poll);
  EXPECT_TRUE(run_until([this] { return writable_ > 0; }));
}

TEST_F(PollTest, RefusesWhatCannotBeWatched) {
  const auto poll = Poll::create(*loop_, -1, [](bool, bool) {});
  ASSERT_FALSE(poll);
  EXPECT_EQ(poll.error().text(), "watching descriptor -1: Bad file descriptor");
}

// The resolver closes a socket and opens the next one, often with the same number, before the Poll
// of the old one is destroyed.
TEST_F(PollTest, AnOldPollDoesNotDisturbTheNextOwnerOfItsNumber) {
  std::optional<Poll> old = recording();
  old->watch(true, false);
  old->watch(false, false);
  const int number = near_.get();
  near_ = Descriptor();
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  near_ = Descriptor(ends[0]);
  far_ = Descriptor(ends[1]);
  ASSERT_EQ(near_.get(), number);
  Poll next = recording();
  next.watch(true, false);
  loop_->poll_once();
  old.reset();
  send_from_far();
  EXPECT_TRUE(run_until([this] { return readable_ > 0; }));
}

// A refused datagram shows as an error condition; the watch goes on for the next one.
TEST_F(PollTest, AnErrorIsReadableAndWritableAndNotTheEnd) {
  Descriptor closed_port(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  const unsigned length = any_port().to_sockaddr(storage);
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  ASSERT_EQ(::bind(closed_port.get(), address, length), 0);
  const unsigned target_length = local_endpoint(closed_port.get())->to_sockaddr(storage);
  const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(socket.get(), address, target_length), 0);
  closed_port = Descriptor();

  int both = 0;
  Poll poll = *Poll::create(*loop_, socket.get(), [&](bool readable, bool writable) {
    both += readable && writable ? 1 : 0;
    char byte = 0;
    EXPECT_EQ(::recv(socket.get(), &byte, 1, MSG_DONTWAIT), -1);
  });
  poll.watch(true, false);
  for (int round = 1; round <= 2; ++round) {
    ASSERT_EQ(::send(socket.get(), "x", 1, 0), 1);
    EXPECT_TRUE(run_until([&] { return both == round; }));
  }
}

}  // namespace
}  // namespace postrider::event
