#include <cerrno>
#include <gmock/gmock.h>
#include <random>
#include <sys/socket.h>
#include <sys/un.h>

#include "relay/event/timer.h"
#include "tests/unit/relay/event/event_fixture.h"
#include "tests/unit/temporary_folder.h"

namespace postrider::event {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Bytes that show every displacement.
std::string noise(std::size_t size) {
  std::string out(size, '\0');
  std::minstd_rand generator(42);
  for (char& c : out) c = static_cast<char>(generator());
  return out;
}

std::vector<Chunk> chunks_of(const std::string& text, std::size_t size) {
  const Chunk whole(text);
  std::vector<Chunk> chunks;
  for (std::size_t at = 0; at < text.size(); at += size) chunks.push_back(whole.slice(at, size));
  return chunks;
}

// A listening socket of this machine, in a folder of its own.
class LocalSocket {
 public:
  LocalSocket() : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    EXPECT_EQ(::listen(socket_.get(), 1), 0);
  }

  [[nodiscard]] std::string path() const { return folder_ / "socket"; }

  [[nodiscard]] Descriptor accept() const {
    return Descriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

 private:
  TemporaryFolder folder_;
  Descriptor socket_;
};

class StreamTest : public EventTest {
 protected:
  // near_ and far_ become the two ends of one connection, far_ as well on the loop.
  void adopt_pair(int send_buffer = 0) {
    auto [one, other] = connected_pair();
    if (send_buffer > 0) {
      ::setsockopt(one.get(), SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    }
    near_.stream.emplace(*Stream::adopt(*loop_, std::move(one), near_));
    far_.stream.emplace(*Stream::adopt(*loop_, std::move(other), far_));
  }

  // near_ is on the loop; the other end is returned, for doing what no Stream does.
  Descriptor adopt_one() {
    auto [one, other] = connected_pair();
    near_.stream.emplace(*Stream::adopt(*loop_, std::move(one), near_));
    return std::move(other);
  }

  void listen() {
    listener_.emplace(*Listener::create(
        *loop_, *listen_on(any_port()),
        [this](Descriptor connection, Endpoint peer) {
          far_peer_ = peer;
          far_.stream.emplace(*Stream::adopt(*loop_, std::move(connection), far_));
        },
        [] {}));
  }

  void connect(const std::optional<IpAddress>& from = std::nullopt) {
    near_.stream.emplace(*Stream::connect(*loop_, listener_->endpoint(), from, near_));
  }

  // Writes until the kernel's buffers are full; the bytes written.
  std::size_t fill() {
    std::size_t written = 0;
    for (; near_.stream->unsent() == 0; written += 64 * 1024) {
      near_.stream->write(std::string(64 * 1024, 'f'));
    }
    return written;
  }

  Recorder near_, far_;
  std::optional<Listener> listener_;
  Endpoint far_peer_;
};

TEST_F(StreamTest, EchoesOverAConnection) {
  listen();
  connect();
  far_.data_hook = [this] { far_.stream->write(std::exchange(far_.data, {})); };
  near_.connected_hook = [this] { near_.stream->write("hello"); };
  ASSERT_TRUE(run_until([this] { return near_.data == "hello"; }));
  EXPECT_TRUE(near_.connected);
  EXPECT_FALSE(far_.connected) << "an adopted connection is connected from the start";
  EXPECT_EQ(near_.stream->peer(), listener_->endpoint());
  EXPECT_EQ(near_.stream->local(), far_.stream->peer());
  EXPECT_EQ(far_.stream->local(), listener_->endpoint());
}

TEST_F(StreamTest, ConnectsFromTheGivenSource) {
  listen();
  const IpAddress source = *IpAddress::parse("127.0.0.5");
  connect(source);
  ASSERT_TRUE(run_until([this] { return near_.connected && far_.stream; }));
  EXPECT_EQ(far_peer_.ip, source);
  EXPECT_EQ(near_.stream->local(), far_peer_);
}

TEST_F(StreamTest, ReturnsImmediateFailures) {
  const auto other_family =
      Stream::connect(*loop_, *Endpoint::parse("127.0.0.1:25"), IpAddress::parse("::1"), near_);
  ASSERT_FALSE(other_family);
  EXPECT_THAT(other_family.error().text(), HasSubstr("of another family"));
  const auto foreign = Stream::connect(*loop_, *Endpoint::parse("127.0.0.1:25"),
                                       IpAddress::parse("192.0.2.1"), near_);
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error().text(), StartsWith("connecting to 127.0.0.1:25 from 192.0.2.1: "));
  EXPECT_EQ(foreign.error().system_code(), EADDRNOTAVAIL);
}

TEST_F(StreamTest, AdoptFailsForWhatIsNotConnected) {
  Descriptor unconnected(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(Stream::adopt(*loop_, std::move(unconnected), near_));
  turn(3);
  EXPECT_EQ(near_.failures, 0);
}

TEST_F(StreamTest, ConnectsToASocketOfThisMachine) {
  const LocalSocket socket;
  near_.stream.emplace(*Stream::connect_local(*loop_, socket.path(), near_));
  ASSERT_TRUE(run_until([&] { return near_.connected; }));
  far_.stream.emplace(*Stream::adopt(*loop_, socket.accept(), far_));
  near_.stream->write("ping");
  ASSERT_TRUE(run_until([&] { return far_.data == "ping"; }));
  far_.stream->write("pong");
  far_.stream->finish();
  ASSERT_TRUE(run_until([&] { return near_.data == "pong" && near_.ended; }));
  EXPECT_EQ(near_.failures, 0);
}

TEST_F(StreamTest, ASocketOfThisMachineThatIsNotThereFails) {
  near_.stream.emplace(*Stream::connect_local(*loop_, "/nowhere/lmtp", near_));
  ASSERT_TRUE(run_until([&] { return near_.failures == 1; }));
  EXPECT_THAT(near_.failure->text(), HasSubstr("connecting to /nowhere/lmtp: "));
  EXPECT_FALSE(Stream::connect_local(*loop_, "/" + std::string(108, 'x'), near_));
}

TEST_F(StreamTest, ARefusedConnectionFailsOnce) {
  listen();
  const Endpoint nobody = listener_->endpoint();
  listener_.reset();
  turn(2);
  near_.stream.emplace(*Stream::connect(*loop_, nobody, std::nullopt, near_));
  near_.stream->write("lost");
  EXPECT_EQ(near_.failures, 0);
  ASSERT_TRUE(run_until([this] { return near_.failures > 0; }));
  turn(5);
  EXPECT_EQ(near_.failures, 1);
  EXPECT_EQ(near_.failure->text(), "connecting to " + nobody.to_string() + ": Connection refused");
  EXPECT_EQ(near_.failure->system_code(), ECONNREFUSED);
  EXPECT_FALSE(near_.connected);
}

TEST_F(StreamTest, WritesBeforeTheConnectionStandsWait) {
  listen();
  connect();
  near_.stream->write("first ");
  near_.stream->write(chunks_of("second third", 7));
  EXPECT_EQ(near_.stream->unsent(), 18U);
  near_.stream->finish();
  ASSERT_TRUE(run_until([this] { return far_.ended; }));
  EXPECT_EQ(far_.data, "first second third");
  EXPECT_EQ(near_.drained, 1);
}

TEST_F(StreamTest, SmallWritesLeaveAtOnce) {
  const Descriptor other = adopt_one();
  near_.stream->write("220 ready\r\n");
  EXPECT_EQ(near_.stream->unsent(), 0U);
  std::string got(11, '\0');
  EXPECT_EQ(::recv(other.get(), got.data(), got.size(), MSG_DONTWAIT), 11);
  EXPECT_EQ(got, "220 ready\r\n");
  turn(3);
  EXPECT_EQ(near_.drained, 0) << "nothing was ever unsent";
}

TEST_F(StreamTest, SkipsEmptyChunks) {
  adopt_pair();
  std::vector<Chunk> chunks(3);
  chunks[1] = Chunk(std::string("x"));
  near_.stream->write(std::move(chunks));
  near_.stream->write(std::vector<Chunk>(2));
  near_.stream->write(std::string());
  near_.stream->finish();
  ASSERT_TRUE(run_until([this] { return far_.ended; }));
  EXPECT_EQ(far_.data, "x");
}

TEST_F(StreamTest, GathersMoreChunksThanOneCallTakes) {
  adopt_pair();
  const std::string text = noise(5000);
  near_.stream->write(chunks_of(text, 1));
  ASSERT_TRUE(run_until([&] { return far_.data.size() == text.size(); }));
  EXPECT_EQ(far_.data, text);
}

TEST_F(StreamTest, KeepsTheOrderUnderPartialWrites) {
  adopt_pair(4096);
  const std::string text = noise(1 << 20);
  std::size_t at = 0;
  // All the ways to write, while earlier bytes are on their way.
  for (std::size_t step = 1; at < text.size(); step = step * 7 % 30011) {
    const std::string part = text.substr(at, step);
    at += part.size();
    if (step % 3 == 0) {
      near_.stream->write(part);
    } else {
      near_.stream->write(chunks_of(part, step % 500 + 1));
    }
    if (step % 5 == 0) loop_->poll_once();
  }
  EXPECT_GT(near_.stream->unsent(), 0U);
  ASSERT_TRUE(run_until([&] { return far_.data.size() >= text.size(); }));
  EXPECT_TRUE(far_.data == text);
  EXPECT_TRUE(run_until([this] { return near_.drained >= 1; }));
  EXPECT_EQ(near_.stream->unsent(), 0U);
}

TEST_F(StreamTest, MovesALotWithBoundedMemory) {
  constexpr std::size_t kTotal = 16 << 20, kHigh = 256 << 10;
  adopt_pair();
  const std::string block = noise(50'000);
  std::size_t written = 0, received = 0, most_unsent = 0;
  bool matches = true;
  const auto feed = [&] {
    while (written < kTotal && near_.stream->unsent() < kHigh) {
      const std::size_t offset = written % block.size();
      const std::size_t length = std::min(block.size() - offset, kTotal - written);
      near_.stream->write(block.substr(offset, length));
      written += length;
      most_unsent = std::max(most_unsent, near_.stream->unsent());
    }
    if (written == kTotal) near_.stream->finish();
  };
  near_.drained_hook = feed;
  Timer resume(*loop_, [this] { far_.stream->resume(); });
  int reads = 0;
  far_.data_hook = [&] {
    for (const char c : far_.data) matches = matches && c == block[received++ % block.size()];
    far_.data.clear();
    if (++reads % 50 == 0) {
      far_.stream->pause();
      resume.arm(std::chrono::steady_clock::now() + Milliseconds(1));
    }
  };
  feed();
  ASSERT_TRUE(run_until([this] { return far_.ended; }));
  EXPECT_EQ(received, kTotal);
  EXPECT_TRUE(matches);
  EXPECT_LT(most_unsent, kHigh + block.size());
}

TEST_F(StreamTest, APausedStreamReadsNothing) {
  adopt_pair();
  far_.stream->pause();
  fill();
  turn(20);
  EXPECT_EQ(far_.data, "");
  EXPECT_GT(near_.stream->unsent(), 0U) << "the peer is held back by the window";
  far_.stream->resume();
  EXPECT_TRUE(run_until([this] { return near_.drained == 1; }));
  EXPECT_EQ(near_.stream->unsent(), 0U);
}

TEST_F(StreamTest, PauseWithinOnDataHoldsBackTheRest) {
  adopt_pair();
  far_.data_hook = [this] { far_.stream->pause(); };
  near_.stream->write("one");
  ASSERT_TRUE(run_until([this] { return far_.data == "one"; }));
  near_.stream->write("two");
  turn(10);
  EXPECT_EQ(far_.data, "one");
  far_.stream->resume();
  EXPECT_TRUE(run_until([this] { return far_.data == "onetwo"; }));
}

TEST_F(StreamTest, PauseBeforeTheConnectionStandsHolds) {
  listen();
  connect();
  near_.stream->pause();
  ASSERT_TRUE(run_until([this] { return near_.connected && far_.stream; }));
  far_.stream->write("220 hello\r\n");
  turn(10);
  EXPECT_EQ(near_.data, "");
  near_.stream->resume();
  near_.stream->resume();
  EXPECT_TRUE(run_until([this] { return near_.data == "220 hello\r\n"; }));
}

TEST_F(StreamTest, TellsDrainedFromTheLoopAndOnce) {
  adopt_pair();
  const std::size_t written = fill();
  EXPECT_EQ(near_.drained, 0);
  ASSERT_TRUE(run_until([this] { return near_.drained > 0; }));
  EXPECT_EQ(near_.stream->unsent(), 0U);
  ASSERT_TRUE(run_until([&] { return far_.data.size() == written; }));
  turn(5);
  EXPECT_EQ(near_.drained, 1);
}

TEST_F(StreamTest, FinishSendsTheRestAndThenTheEnd) {
  adopt_pair();
  const std::size_t written = fill();
  near_.stream->write("last");
  near_.stream->finish();
  near_.stream->finish();
  near_.stream->write("dropped");
  ASSERT_TRUE(run_until([this] { return far_.ended; }));
  EXPECT_EQ(far_.data.size(), written + 4);
  EXPECT_TRUE(far_.data.ends_with("last"));
  EXPECT_EQ(near_.failures, 0);
}

TEST_F(StreamTest, AnswersAfterThePeerHasEnded) {
  adopt_pair();
  far_.end_hook = [this] {
    far_.stream->write("bye");
    far_.stream->finish();
  };
  near_.stream->finish();
  ASSERT_TRUE(run_until([this] { return near_.ended; }));
  EXPECT_EQ(near_.data, "bye");
  EXPECT_EQ(near_.failures + far_.failures, 0);
}

TEST_F(StreamTest, AResetIsAFailure) {
  Descriptor other = adopt_one();
  close_with_reset(std::move(other));
  ASSERT_TRUE(run_until([this] { return near_.failures == 1; }));
  EXPECT_THAT(near_.failure->text(), StartsWith("reading from 127.0.0.1:"));
  EXPECT_EQ(near_.failure->system_code(), ECONNRESET);
}

TEST_F(StreamTest, AFailedWriteIsToldLaterAndOnce) {
  Descriptor other = adopt_one();
  near_.stream->pause();
  close_with_reset(std::move(other));
  near_.stream->write("x");
  near_.stream->write(chunks_of("yz", 1));
  EXPECT_EQ(near_.failures, 0);
  EXPECT_EQ(near_.stream->unsent(), 0U) << "what cannot be sent is not waited for";
  ASSERT_TRUE(run_until([this] { return near_.failures > 0; }));
  turn(5);
  EXPECT_EQ(near_.failures, 1);
  EXPECT_THAT(near_.failure->system_code(), AnyOf(ECONNRESET, EPIPE));
  EXPECT_THAT(near_.failure->text(), StartsWith("writing to 127.0.0.1:"));
  EXPECT_EQ(near_.drained, 0);
}

TEST_F(StreamTest, AQueuedWriteFailsWithTheConnection) {
  Descriptor other = adopt_one();
  near_.stream->pause();
  fill();
  turn(3);
  EXPECT_EQ(near_.failures, 0);
  close_with_reset(std::move(other));
  ASSERT_TRUE(run_until([this] { return near_.failures > 0; }));
  turn(5);
  EXPECT_EQ(near_.failures, 1);
}

TEST_F(StreamTest, TheLastWordsAreHeardBeforeTheFailure) {
  Descriptor other = adopt_one();
  near_.stream->write("MAIL FROM");
  ASSERT_EQ(::send(other.get(), "421 bye\r\n", 9, 0), 9);
  // Closed with unread bytes: the kernel sends a reset behind the answer.
  other = Descriptor();
  near_.failure_hook = [this] { EXPECT_EQ(near_.data, "421 bye\r\n"); };
  near_.stream->write("RCPT TO");
  ASSERT_TRUE(run_until([this] { return near_.failures == 1; }));
  EXPECT_EQ(near_.data, "421 bye\r\n");
}

TEST_F(StreamTest, DestroyedBeforeALateFailureIsTold) {
  Descriptor other = adopt_one();
  near_.stream->pause();
  close_with_reset(std::move(other));
  near_.stream->write("x");
  near_.stream.reset();
  turn(5);
  EXPECT_EQ(near_.failures, 0);
}

TEST_F(StreamTest, ALateFailureMayOutliveTheRun) {
  Descriptor other = adopt_one();
  near_.stream->pause();
  close_with_reset(std::move(other));
  near_.stream->write("x");
  near_.stream.reset();
  loop_.reset();
  EXPECT_EQ(near_.failures, 0);
}

TEST_F(StreamTest, DestroyedWithWritesAndAConnectUnderWay) {
  adopt_pair();
  far_.stream->pause();
  fill();
  near_.stream.reset();
  listen();
  connect();
  near_.stream->write("x");
  near_.stream.reset();
  turn(5);
  EXPECT_EQ(near_.failures, 0);
  EXPECT_FALSE(near_.connected);
}

TEST_F(StreamTest, MayBeDestroyedInOnConnected) {
  listen();
  connect();
  near_.stream->write("x");
  near_.connected_hook = [this] { near_.stream.reset(); };
  ASSERT_TRUE(run_until([this] { return far_.ended; }));
  EXPECT_EQ(near_.drained, 0);
}

TEST_F(StreamTest, MayBeDestroyedInOnData) {
  adopt_pair();
  far_.data_hook = [this] { far_.stream.reset(); };
  near_.stream->write(std::string(1 << 20, 'x'));
  ASSERT_TRUE(run_until([this] { return !far_.stream; }));
  const std::size_t heard = far_.data.size();
  turn(5);
  EXPECT_EQ(far_.data.size(), heard);
}

TEST_F(StreamTest, MayBeDestroyedInOnEnd) {
  adopt_pair();
  far_.end_hook = [this] { far_.stream.reset(); };
  near_.stream.reset();
  EXPECT_TRUE(run_until([this] { return !far_.stream; }));
}

TEST_F(StreamTest, MayBeDestroyedInOnFailure) {
  Descriptor other = adopt_one();
  near_.failure_hook = [this] { near_.stream.reset(); };
  close_with_reset(std::move(other));
  EXPECT_TRUE(run_until([this] { return !near_.stream; }));
}

TEST_F(StreamTest, MayBeDestroyedInOnDrained) {
  adopt_pair();
  near_.drained_hook = [this] { near_.stream.reset(); };
  fill();
  EXPECT_TRUE(run_until([this] { return !near_.stream; }));
}

TEST_F(StreamTest, MayBeDestroyedInTheLastWords) {
  Descriptor other = adopt_one();
  near_.data_hook = [this] { near_.stream.reset(); };
  near_.stream->write("unread");
  ASSERT_EQ(::send(other.get(), "421", 3, 0), 3);
  other = Descriptor();
  near_.stream->write("fails");
  ASSERT_TRUE(run_until([this] { return !near_.stream; }));
  turn(3);
  EXPECT_EQ(near_.failures, 0);
}

TEST_F(StreamTest, GoesOnWhenMoved) {
  adopt_pair();
  fill();
  Stream moved = std::move(*near_.stream);
  moved.write("end");
  ASSERT_TRUE(run_until([this] { return far_.data.ends_with("end"); }));
  near_.stream = std::move(moved);
  near_.stream->finish();
  EXPECT_TRUE(run_until([this] { return far_.ended; }));
}

TEST_F(StreamTest, ChunksAreLetGoOnceSent) {
  adopt_pair();
  far_.stream->pause();
  const auto begun = std::make_shared<std::string>(8 << 20, 'b');
  const auto behind = std::make_shared<std::string>("behind it");
  near_.stream->write({Chunk(begun, *begun)});
  near_.stream->write({Chunk(behind, *behind)});
  EXPECT_GT(begun.use_count(), 1);
  EXPECT_GT(behind.use_count(), 1);
  far_.stream->resume();
  ASSERT_TRUE(run_until([this] { return near_.drained == 1; }));
  EXPECT_EQ(begun.use_count(), 1);
  EXPECT_EQ(behind.use_count(), 1);
}

}  // namespace
}  // namespace postrider::event
