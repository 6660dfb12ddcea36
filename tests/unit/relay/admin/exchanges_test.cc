#include "relay/admin/exchanges.h"

#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace postrider::admin {
namespace {

// One end of a connection whose other end was adopted.
class Client {
 public:
  explicit Client(Exchanges& exchanges) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    socket_ = ends[0];
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    exchanges.adopt(ends[1]);
  }

  ~Client() { ::close(socket_); }

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void say(const std::string& bytes) const {
    [[maybe_unused]] const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }

  void wait_for_close() const {
    pollfd poll{socket_, POLLRDHUP, 0};
    EXPECT_EQ(::poll(&poll, 1, 20'000), 1);
  }

  // Until the other end closes, or for octets at most.
  [[nodiscard]] std::string hear(std::size_t octets = 1U << 30) const {
    std::string all;
    char buffer[4096];
    while (all.size() < octets) {
      const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
      if (got <= 0) break;
      all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  int socket_ = -1;
};

ExchangeLimits quick() {
  ExchangeLimits limits;
  limits.request_deadline = Milliseconds(50);
  limits.answer_deadline = Milliseconds(50);
  limits.close_deadline = Milliseconds(50);
  return limits;
}

std::string echo(const std::string& request) {
  return "[" + request + "]";
}

TEST(Exchanges, AnswersARequestThatCameInPieces) {
  Exchanges exchanges({}, echo);
  const Client client(exchanges);
  for (const char c : std::string("GET\r\n\r\n")) client.say(std::string(1, c));
  EXPECT_EQ(client.hear(), "[GET\r\n\r\n]");
}

TEST(Exchanges, ARequestThatDoesNotEndIsClosedInTime) {
  Exchanges exchanges(quick(), echo);
  const Client client(exchanges);
  client.say("GET");
  EXPECT_EQ(client.hear(), "");
}

TEST(Exchanges, ARequestThatIsTooLongIsAnsweredAsFarAsItCame) {
  ExchangeLimits limits;
  limits.request_bytes_max = 10;
  Exchanges exchanges(limits, echo);
  const Client client(exchanges);
  client.say("0123456789");
  EXPECT_EQ(client.hear(), "[0123456789]");
}

TEST(Exchanges, TheOldestUnfinishedRequestMakesRoom) {
  ExchangeLimits limits;
  limits.connections_max = 2;
  Exchanges exchanges(limits, echo);
  const Client first(exchanges);
  const Client second(exchanges);
  const Client third(exchanges);
  EXPECT_EQ(first.hear(), "");
  second.say("2\r\n\r\n");
  third.say("3\r\n\r\n");
  EXPECT_EQ(second.hear(), "[2\r\n\r\n]");
  EXPECT_EQ(third.hear(), "[3\r\n\r\n]");
}

// Answers "slow..." when it is told to.
struct SlowAnswers {
  std::promise<void> told;
  std::shared_future<void> release{told.get_future()};
  std::promise<void> begun;

  Exchanges::Answer answer() {
    return [this](const std::string& request) {
      if (request.starts_with("slow")) {
        if (request.starts_with("slow1")) begun.set_value();
        release.wait();
      }
      return echo(request);
    };
  }
};

bool is_quick(std::string_view request) {
  return request.starts_with("quick");
}

TEST(Exchanges, AQuickRequestStandsBehindNoSlowOne) {
  ExchangeLimits limits;
  limits.threads = 1;
  SlowAnswers slow;
  Exchanges exchanges(limits, slow.answer(), is_quick);
  const Client first(exchanges);
  first.say("slow1\r\n\r\n");
  slow.begun.get_future().wait();
  const Client second(exchanges);
  second.say("slow2\r\n\r\n");
  const Client quick(exchanges);
  quick.say("quick\r\n\r\n");
  EXPECT_EQ(quick.hear(), "[quick\r\n\r\n]");
  slow.told.set_value();
  EXPECT_EQ(first.hear(), "[slow1\r\n\r\n]");
  EXPECT_EQ(second.hear(), "[slow2\r\n\r\n]");
}

TEST(Exchanges, WhoWouldWaitBehindTooManyIsToldSo) {
  ExchangeLimits limits;
  limits.threads = 1;
  limits.waiting_max = 2;
  SlowAnswers slow;
  Exchanges exchanges(limits, slow.answer(), is_quick, [] { return std::string("busy"); });
  std::vector<std::unique_ptr<Client>> served;
  for (int i = 1; i <= 3; ++i) {
    served.push_back(std::make_unique<Client>(exchanges));
    served.back()->say("slow" + std::to_string(i) + "\r\n\r\n");
    if (i == 1) slow.begun.get_future().wait();
  }
  const Client refused(exchanges);
  refused.say("slow4\r\n\r\n");
  EXPECT_EQ(refused.hear(), "busy");
  const Client quick(exchanges);
  quick.say("quick\r\n\r\n");
  EXPECT_EQ(quick.hear(), "[quick\r\n\r\n]");
  slow.told.set_value();
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(served[static_cast<std::size_t>(i) - 1]->hear(),
              "[slow" + std::to_string(i) + "\r\n\r\n]");
  }
}

TEST(Exchanges, WhoDoesNotReadItsAnswerKeepsNobodyWaiting) {
  ExchangeLimits limits;
  limits.threads = 1;
  Exchanges exchanges(limits, [](const std::string& request) {
    return request.starts_with("big") ? std::string(16U << 20, 'x') : echo(request);
  });
  const Client lazy(exchanges);
  lazy.say("big\r\n\r\n");
  ASSERT_GE(lazy.hear(1).size(), 1U);  // it is being answered
  const Client other(exchanges);
  other.say("2\r\n\r\n");
  EXPECT_EQ(other.hear(), "[2\r\n\r\n]");
}

TEST(Exchanges, AnAnswerThatIsNotReadIsCutInTime) {
  Exchanges exchanges(quick(), [](const std::string&) { return std::string(16U << 20, 'x'); });
  const Client client(exchanges);
  client.say("GET\r\n\r\n");
  client.wait_for_close();
  EXPECT_LT(client.hear().size(), std::size_t{16U << 20});
}

TEST(Exchanges, InterruptedItReadsNoMore) {
  Exchanges exchanges({}, echo);
  const Client before(exchanges);
  before.say("GET");
  exchanges.interrupt();
  EXPECT_EQ(before.hear(), "");
  const Client after(exchanges);
  after.say("GET\r\n\r\n");
  EXPECT_EQ(after.hear(), "");
}

TEST(Exchanges, EndsThoughAnAnswerIsNotRead) {
  auto exchanges = std::make_unique<Exchanges>(
      ExchangeLimits{}, [](const std::string&) { return std::string(16U << 20, 'x'); });
  const Client client(*exchanges);
  client.say("GET\r\n\r\n");
  ASSERT_GE(client.hear(1).size(), 1U);
  const auto begun = std::chrono::steady_clock::now();
  exchanges.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, Seconds(5));
}

}  // namespace
}  // namespace postrider::admin
