#include "relay/admin/server.h"

#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "tests/unit/relay/admin/filled_queue.h"

namespace postrider::admin {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// A socket that speaks HTTP by hand.
class Caller {
 public:
  explicit Caller(const Endpoint& endpoint)
      : socket_(::socket(endpoint.ip.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM, 0)) {
    sockaddr_storage storage{};
    const unsigned length = endpoint.to_sockaddr(storage);
    timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&storage), length) == 0;
  }

  ~Caller() { ::close(socket_); }

  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }

  Caller& say(const std::string& bytes) {
    [[maybe_unused]] const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return *this;
  }

  // Until the server closes.
  std::string hear() {
    std::string all;
    char buffer[4096];
    for (;;) {
      const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
      if (got <= 0) return all;
      all.append(buffer, static_cast<std::size_t>(got));
    }
  }

 private:
  int socket_;
  bool connected_;
};

class ServerTest : public testing::Test {
 protected:
  void start(Options options = on_port_0(), Explain explain = {}) {
    auto started =
        Server::start(options, *filled_.queue, filled_.metrics, filled_.clock, std::move(explain));
    ASSERT_TRUE(started) << started.error().text();
    server_ = std::move(*started);
  }

  static Options on_port_0() {
    Options options;
    options.address.port = 0;
    return options;
  }

  std::string ask(const std::string& request_line, const std::string& headers = "") {
    return Caller(server_->endpoint())
        .say(request_line + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n")
        .hear();
  }

  // Begins with the status line.
  std::string ask_by_name(const std::string& path, const std::string& host,
                          const std::string& headers = "") {
    return Caller(server_->endpoint())
        .say("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + headers + "\r\n")
        .hear();
  }

  FilledQueue filled_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersOverTheNetwork) {
  start();
  EXPECT_NE(server_->endpoint().port, 0);
  const std::string answer = ask("GET /healthz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\n{\"status\":\"ok\"}\n"));
}

TEST_F(ServerTest, HealthAndMetricsAreToldWhateverOthersWaitFor) {
  std::promise<void> told;
  const std::shared_future<void> answer(told.get_future());
  start(on_port_0(), [answer](const auto&, const auto&) -> Result<std::string> {
    answer.wait();
    return std::string("explained");
  });
  std::vector<std::unique_ptr<Caller>> waiting;
  std::string refused;
  while (refused.empty() && waiting.size() < 40) {
    waiting.push_back(std::make_unique<Caller>(server_->endpoint()));
    waiting.back()->say("GET /explain?address=a@b.example HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (waiting.size() > 20) refused = ask("GET /queue");
  }
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(refused, HasSubstr("\r\n\r\n{\"error\":\"too many requests wait"));
  EXPECT_THAT(ask("GET /healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("GET /healthz?x=1"), StartsWith("HTTP/1.1 200"));
  const std::string metrics = ask("GET /metrics");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(metrics, ::testing::ContainsRegex("\npostrider_admin_refused_total [1-9]"));
  EXPECT_THAT(ask("HEAD /healthz"), StartsWith("HTTP/1.1 200"));
  told.set_value();
  EXPECT_THAT(waiting.front()->hear(), HasSubstr("explained"));
}

TEST_F(ServerTest, DecodesParameters) {
  start();
  filled_.add("a+b@s.example", {{"c", "one.example"}});
  EXPECT_THAT(ask("GET /messages?sender=a%2Bb%40s.example&limit=5"), HasSubstr("a+b@s.example"));
  EXPECT_THAT(ask("GET /messages?sender=x%40s.example"), HasSubstr("\"messages\":[]"));
}

TEST_F(ServerTest, ChangesTheQueue) {
  start();
  filled_.add("a@s.example", {{"c", "one.example"}});
  ASSERT_TRUE(filled_.defer(1, {451, {}, "later"}));
  EXPECT_THAT(ask("POST /messages/retry?domain=one.example", "Content-Length: 0\r\n"),
              HasSubstr("{\"messages\":1}"));
  ASSERT_TRUE(filled_.defer(1, {451, {}, "later"}));
  EXPECT_THAT(ask("DELETE /messages?all=1"), HasSubstr("{\"messages\":1}"));
  EXPECT_EQ(filled_.queue->stats().messages, 0U);
}

TEST_F(ServerTest, AnswersThoughABodyWasSentWithTheRequest) {
  start();
  EXPECT_THAT(
      Caller(server_->endpoint())
          .say("POST /messages/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello")
          .hear(),
      StartsWith("HTTP/1.1 400"));
}

TEST_F(ServerTest, TellsTheMethodsOfAPath) {
  start();
  EXPECT_THAT(ask("PUT /messages"), HasSubstr("Allow: GET, DELETE\r\n"));
}

TEST_F(ServerTest, RefusesWhatIsNotHttp) {
  start();
  EXPECT_THAT(Caller(server_->endpoint()).say("EHLO x\r\n\r\n").hear(), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET /" + std::string(20'000, 'x')), StartsWith("HTTP/1.1 414"));
}

TEST_F(ServerTest, ARequestWithoutEndIsBounded) {
  start();
  Caller caller(server_->endpoint());
  caller.say("GET /healthz HTTP/1.1\r\n");
  const std::string header = "X-Filler: " + std::string(1000, 'x') + "\r\n";
  for (int i = 0; i < 200; ++i) caller.say(header);
  EXPECT_THAT(caller.hear(), testing::Not(StartsWith("HTTP/1.1 200")));
}

TEST_F(ServerTest, AWholeAnswerIsGivenWhateverIsAskedFor) {
  start();
  const std::string answer =
      ask("GET /metrics", "Range: bytes=0-3\r\nAccept-Encoding: br, gzip\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("# TYPE postrider_"));
}

TEST_F(ServerTest, NeedsTheToken) {
  Options options = on_port_0();
  options.token = "0123456789abcdef";
  start(options);
  const std::string refused = ask("GET /healthz");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(refused, HasSubstr("WWW-Authenticate: Bearer\r\n"));
  EXPECT_THAT(ask("GET /healthz", "Authorization: Bearer 0123456789abcdef\r\n"),
              StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, AWebPageCannotChangeAnything) {
  start();
  EXPECT_THAT(ask("DELETE /messages?all=1", "Origin: http://evil.example\r\n"),
              StartsWith("HTTP/1.1 403"));
}

// A page whose own name its owner has pointed at this machine is no other site to the browser.
TEST_F(ServerTest, WithoutATokenNoOtherNameIsAnswered) {
  start();
  for (const std::string host :
       {"evil.example:8025", "evil.example", "1.2.3.4.evil.example", "localhost.evil.example",
        "1.2.3", "[::1", "a@127.0.0.1", ":8025", "127.0.0.1:80:80", "127.0.0.1:x"}) {
    for (const std::string path : {"/queue", "/messages", "/explain?address=a@b.example"}) {
      EXPECT_THAT(ask_by_name(path, host), StartsWith("HTTP/1.1 403")) << host;
    }
  }
  EXPECT_THAT(ask_by_name("/queue", "evil.example:8025"),
              HasSubstr("{\"error\":\"without admin.token this is asked for by address or as "
                        "localhost, not as 'evil.example:8025'\"}"));
  for (const std::string host : {"127.0.0.1", "127.0.0.1:8025", "localhost", "LocalHost:80",
                                 "[::1]:8025", "[::1]", "192.0.2.1:80"}) {
    EXPECT_THAT(ask_by_name("/queue", host), StartsWith("HTTP/1.1 200")) << host;
  }
}

// Prometheus and load balancers ask by the names they were given.
TEST_F(ServerTest, MetricsAndHealthAreForEveryName) {
  start();
  EXPECT_THAT(ask_by_name("/metrics", "relay1:8025"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask_by_name("/healthz", "relay1:8025"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, WithTheTokenEveryNameIsAnswered) {
  Options options = on_port_0();
  options.token = "0123456789abcdef";
  start(options);
  EXPECT_THAT(ask_by_name("/queue", "relay1:8025", "Authorization: Bearer 0123456789abcdef\r\n"),
              StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, ListensOnIpv6) {
  Options options = on_port_0();
  options.address.ip = *IpAddress::parse("::1");
  auto started = Server::start(options, *filled_.queue, filled_.metrics, filled_.clock);
  if (!started) GTEST_SKIP() << "no IPv6 here: " << started.error().text();
  server_ = std::move(*started);
  EXPECT_THAT(ask("GET /healthz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(ServerTest, AnOpenAddressNeedsAToken) {
  Options options = on_port_0();
  options.address.ip = *IpAddress::parse("0.0.0.0");
  const auto started = Server::start(options, *filled_.queue, filled_.metrics, filled_.clock);
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().text(), HasSubstr("a token is needed"));
}

TEST_F(ServerTest, AnAddressInUseIsNamed) {
  start();
  Options options;
  options.address = server_->endpoint();
  const auto second = Server::start(options, *filled_.queue, filled_.metrics, filled_.clock);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text(), "cannot listen for admin requests on " +
                                       options.address.to_string() + ": Address already in use");
}

TEST_F(ServerTest, StopsThoughClientsSayNothing) {
  start();
  std::vector<std::unique_ptr<Caller>> silent;
  for (int i = 0; i < 5; ++i) {
    silent.push_back(std::make_unique<Caller>(server_->endpoint()));
    ASSERT_TRUE(silent.back()->connected());
    silent.back()->say("GET /hea");
  }
  const auto before = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(3));
}

TEST_F(ServerTest, CanStopAtOnceAndListensNoMore) {
  for (int i = 0; i < 50; ++i) {
    start();
    const Endpoint endpoint = server_->endpoint();
    server_.reset();
    ASSERT_FALSE(Caller(endpoint).connected());
  }
}

// More connections than there is room for, each a request that never ends.
TEST_F(ServerTest, ConnectionsThatDribbleKeepNobodyOut) {
  start();
  std::vector<std::unique_ptr<Caller>> many;
  for (int i = 0; i < 150; ++i) {
    many.push_back(std::make_unique<Caller>(server_->endpoint()));
    many.back()->say("GET /hea");
  }
  for (int i = 0; i < 20; ++i) {
    for (const auto& caller : many) caller->say("l");
    const auto before = std::chrono::steady_clock::now();
    ASSERT_THAT(ask("GET /healthz"), StartsWith("HTTP/1.1 200"));
    // Far below the deadline of a request: nobody had to wait for one to pass.
    ASSERT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(4));
  }
  EXPECT_EQ(many.front()->hear(), "");
}

}  // namespace
}  // namespace postrider::admin
