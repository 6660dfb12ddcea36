#include "relay/daemon/certificates_watch.h"

#include <gmock/gmock.h>

#include "relay/base/log.h"
#include "tests/unit/relay/daemon/daemon_fixture.h"
#include "tests/unit/relay/tls/authority_fixture.h"
#include "tests/unit/relay/tls/tls_fixture.h"

namespace postrider::daemon {
namespace {

using metrics::Metric;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using tls::Authority;
using tls::GeneratedIdentity;

Guarded<std::vector<std::string>> logged;

class CertificatesWatchTest : public testing::Test {
 protected:
  CertificatesWatchTest() {
    logged.lock()->clear();
    log::set_sink([](std::string_view line) { logged.lock()->emplace_back(line); });
    common_ = {folder_.path("cert.pem"), folder_.path("key.pem")};
    put(issue("first.example"));
    listen(587);
  }

  ~CertificatesWatchTest() override {
    watch_.reset();
    log::set_sink(nullptr);
  }

  GeneratedIdentity issue(const std::string& name, int days = 30) {
    tls::IssueOptions options;
    options.name = name;
    options.from_days = -60;
    options.to_days = days;
    return authority_.issue(options);
  }

  // In one step: half of it may be no mistake.
  void replace(const std::string& name, const std::string& text) const {
    std::filesystem::rename(folder_.write("scratch", text), folder_.path(name));
  }

  void put(const GeneratedIdentity& identity) const {
    replace("cert.pem", identity.certificate_pem);
    replace("key.pem", identity.key_pem);
  }

  submission::ListenerOptions& listen(std::uint16_t port) {
    submission::ListenerOptions options;
    options.address = {*IpAddress::parse("127.0.0.1"), port};
    listeners_.emplace_back(new submission::Listener{options});
    return listeners_.back()->options;
  }

  void start(Duration interval = Milliseconds(10)) {
    auto started = CertificatesWatch::start(common_, listeners_, clock_, metrics_, interval);
    ASSERT_TRUE(started) << started.error().text();
    watch_ = std::move(*started);
  }

  std::string start_error() {
    const auto started = CertificatesWatch::start(common_, listeners_, clock_, metrics_);
    return started ? "no error" : started.error().text();
  }

  // A connection to a listener, by a client that trusts the authority; "" if it comes about.
  std::string error_of_client(const std::string& name, std::size_t listener = 0) {
    const auto client = tls::verifying_client(folder_.write("ca.pem", authority_.pem()));
    tls::Pair both(tls::Engine::server(*listeners_[listener]->tls.lock()),
                   tls::Engine::client(client, name));
    both.pump();
    return both.both_open() ? "" : both.client.error();
  }

  bool wait_for_reads(const char* result, std::uint64_t count) {
    const metrics::Counter reads = metrics_.counter(Metric::kCertificatesReads, result);
    return wait_until([&] { return reads.value() >= count; });
  }

  static std::vector<std::string> lines_with(std::string_view words) {
    std::vector<std::string> found;
    for (const std::string& line : *logged.lock()) {
      if (line.find(words) != std::string::npos) found.push_back(line);
    }
    return found;
  }

  // In days from now.
  double ends(const char* listener) {
    const double moment = metrics_.gauge(Metric::kCertificateEnds, listener).value();
    const auto now = clock_.wall().time_since_epoch();
    return (moment - std::chrono::duration<double>(now).count()) / (24 * 3600);
  }

  const TempDirectory folder_;
  const Authority authority_;
  tls::ServerIdentity common_;
  CertificatesWatch::Listeners listeners_;
  SystemClock clock_;
  metrics::Registry metrics_;
  std::unique_ptr<CertificatesWatch> watch_;
};

TEST_F(CertificatesWatchTest, ReadsAtOnceAndFollowsTheFiles) {
  start();
  EXPECT_EQ(error_of_client("first.example"), "");
  put(issue("second.example"));
  ASSERT_TRUE(wait_until([&] { return error_of_client("second.example").empty(); }));
  EXPECT_NE(error_of_client("first.example"), "");
}

TEST_F(CertificatesWatchTest, APairThatDoesNotFitIsReportedOnceAndTheOldOneStays) {
  listen(465);
  start();
  const GeneratedIdentity renewed = issue("second.example");
  replace("cert.pem", renewed.certificate_pem);
  ASSERT_TRUE(wait_for_reads("failed", 1));
  EXPECT_EQ(error_of_client("first.example"), "");
  EXPECT_EQ(error_of_client("first.example", 1), "");
  EXPECT_THAT(lines_with("the certificate read last stays"), SizeIs(1));
  replace("key.pem", renewed.key_pem);
  ASSERT_TRUE(wait_for_reads("ok", 1));
  EXPECT_EQ(error_of_client("second.example"), "");
  EXPECT_EQ(error_of_client("second.example", 1), "");
  EXPECT_EQ(metrics_.counter(Metric::kCertificatesReads, "failed").value(), 1U);
}

TEST_F(CertificatesWatchTest, AHalfWrittenFileChangesNothing) {
  start();
  const std::string whole = issue("second.example").certificate_pem;
  replace("cert.pem", whole.substr(0, whole.size() / 2));
  ASSERT_TRUE(wait_for_reads("failed", 1));
  EXPECT_EQ(error_of_client("first.example"), "");
  std::filesystem::remove(common_.certificate_file);
  ASSERT_TRUE(wait_for_reads("failed", 2));
  EXPECT_EQ(error_of_client("first.example"), "");
}

TEST_F(CertificatesWatchTest, OneListenersMistakeHoldsUpNoOther) {
  const auto own = issue("own.example");
  submission::ListenerOptions& options = listen(465);
  options.certificate = folder_.write("own.pem", own.certificate_pem);
  options.key = folder_.write("own.key", own.key_pem);
  start();
  EXPECT_EQ(error_of_client("own.example", 1), "");
  put(issue("second.example"));
  replace("own.key", "damaged");
  ASSERT_TRUE(wait_until([&] { return error_of_client("second.example").empty(); }));
  EXPECT_EQ(error_of_client("own.example", 1), "");
}

TEST_F(CertificatesWatchTest, AClientsAuthoritiesAreFollowedToo) {
  const Authority stranger("Stranger");
  submission::ListenerOptions& options = listeners_[0]->options;
  options.client_ca = folder_.write("clients.pem", stranger.pem());
  options.client_certificate_required = true;
  start();
  EXPECT_TRUE((*listeners_[0]->tls.lock())->verifies_peer());
  const auto before = (*listeners_[0]->tls.lock())->id();
  replace("clients.pem", stranger.pem() + authority_.pem());
  EXPECT_TRUE(wait_until([&] { return (*listeners_[0]->tls.lock())->id() != before; }));
}

TEST_F(CertificatesWatchTest, ReadsAgainWhenAsked) {
  start(std::chrono::hours(1));
  put(issue("second.example"));
  watch_->read_again();
  ASSERT_TRUE(wait_for_reads("ok", 1));
  EXPECT_EQ(error_of_client("second.example"), "");
}

TEST_F(CertificatesWatchTest, SessionsFromBeforeAreResumed) {
  start();
  const auto client = tls::any_client();
  tls::Pair first(tls::Engine::server(*listeners_[0]->tls.lock()),
                  tls::Engine::client(client, "relay.example"));
  first.pump();
  first.server.send("221 bye\r\n");
  first.pump();
  const auto session = first.client.take_session();
  put(issue("second.example"));
  watch_->read_again();
  ASSERT_TRUE(wait_for_reads("ok", 1));
  tls::Pair next(tls::Engine::server(*listeners_[0]->tls.lock()),
                 tls::Engine::client(client, "relay.example", session));
  next.pump();
  EXPECT_TRUE(next.client.facts().resumed);
}

TEST_F(CertificatesWatchTest, TellsWhenEachEnds) {
  start();
  EXPECT_NEAR(ends("127.0.0.1:587"), 30, 0.1);
  put(issue("second.example", 90));
  ASSERT_TRUE(wait_until([&] { return ends("127.0.0.1:587") > 80; }));
  EXPECT_NEAR(ends("127.0.0.1:587"), 90, 0.1);
}

TEST_F(CertificatesWatchTest, TheStartWarnsOfOneThatEndsSoon) {
  listen(465);
  start();
  EXPECT_THAT(lines_with("is to be renewed"), IsEmpty());
  watch_.reset();
  put(issue("first.example", 13));
  start();
  EXPECT_THAT(
      lines_with("is to be renewed"),
      ElementsAre(AllOf(HasSubstr(" warning tls: "), HasSubstr("cert.pem ends in 12 days"))));
}

TEST_F(CertificatesWatchTest, DoesNotStartWithOneThatCannotBeUsed) {
  replace("key.pem", issue("other.example").key_pem);
  EXPECT_THAT(start_error(), HasSubstr("does not belong to the certificate"));
}

TEST_F(CertificatesWatchTest, AListenerWithoutACertificateHasNoTls) {
  common_ = {};
  start();
  watch_->read_again();
  EXPECT_EQ(*listeners_[0]->tls.lock(), nullptr);
}

}  // namespace
}  // namespace postrider::daemon
