// What the tests of relay/delivery share: a real queue over memory whose leases the test holds or a
// scheduler gets, a scripted resolver, and mail hosts on a loop that the test turns.
#pragma once

#include <atomic>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dns/resolver.h"
#include "queue/memory_store.h"
#include "queue/queue.h"
#include "relay/base/random.h"
#include "relay/delivery/shared.h"
#include "tests/unit/relay/delivery/mail_host.h"
#include "tests/unit/relay/event/event_fixture.h"
#include "tests/unit/relay/tls/tls_fixture.h"

namespace postrider::delivery {

// Passes leases on to another consumer, or keeps them until they are taken. After close() they are
// given back.
class LeaseBox final : public queue::Consumer {
 public:
  void deliver(std::vector<queue::Lease> leases) override {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    if (next_ != nullptr) return next_->deliver(std::move(leases));
    for (queue::Lease& lease : leases) leases_.push_back(std::move(lease));
  }

  void pass_on_to(queue::Consumer* next) {
    const std::lock_guard lock(mutex_);
    next_ = next;
  }

  std::optional<queue::Lease> take() {
    const std::lock_guard lock(mutex_);
    if (leases_.empty()) return std::nullopt;
    queue::Lease lease = std::move(leases_.front());
    leases_.pop_front();
    return lease;
  }

  void close() {
    std::deque<queue::Lease> leases;
    const std::lock_guard lock(mutex_);
    closed_ = true;
    leases.swap(leases_);
  }

 private:
  std::mutex mutex_;
  std::deque<queue::Lease> leases_;
  queue::Consumer* next_ = nullptr;
  bool closed_ = false;
};

// Answers at once with the route it was given, or holds the answers.
class ScriptedResolver final : public dns::Resolver {
 public:
  void resolve(std::string domain, Executor& reply_on,
               UniqueFunction<void(std::shared_ptr<const dns::Route>)> done) override {
    asked.push_back(domain);
    if (hold) {
      held_.push_back([this, domain, &reply_on, done = std::move(done)]() mutable {
        answer(domain, reply_on, std::move(done));
      });
    } else {
      answer(domain, reply_on, std::move(done));
    }
  }

  void resolve_host(std::string host, Executor& reply_on,
                    UniqueFunction<void(std::shared_ptr<const dns::Route>)> done) override {
    resolve("host " + host, reply_on, std::move(done));
  }

  void stop() override {}

  void release() {
    hold = false;
    for (Task& task : std::exchange(held_, {})) task();
  }

  std::map<std::string, std::shared_ptr<const dns::Route>> routes;
  std::vector<std::string> asked;
  bool hold = false;

 private:
  void answer(const std::string& domain, Executor& reply_on,
              UniqueFunction<void(std::shared_ptr<const dns::Route>)> done) {
    auto route = routes[domain];
    if (!route) {
      auto none = std::make_shared<dns::Route>();
      none->status = dns::RouteStatus::kNoDomain;
      none->detail = "MX " + domain + ": NXDOMAIN";
      route = none;
    }
    reply_on.post([route, done = std::move(done)]() mutable { done(route); });
  }

  std::vector<Task> held_;
};

inline std::shared_ptr<const dns::Route> route_to(const std::vector<std::string>& addresses,
                                                  const std::string& site = "mx.example") {
  auto route = std::make_shared<dns::Route>();
  route->status = dns::RouteStatus::kFound;
  route->site = site;
  for (const std::string& address : addresses) {
    route->hosts.push_back({site, 10, {*IpAddress::parse(address)}, false});
  }
  return route;
}

class DeliveryTest : public event::EventTest {
 protected:
  DeliveryTest() {
    options_.allow_special_addresses = true;
    options_.retry.jitter = 0;
    queue_options_.completion_sync_interval = Milliseconds(1);
  }

  ~DeliveryTest() override { stop(); }

  // With the options as they are now; `host` says which port is contacted.
  void open() {
    if (host_) options_.port = host_->endpoint().port;
    queue_ = std::move(*queue::Queue::open(queue_options_, store_, clock_, random_, metrics_,
                                           [this](std::string_view lines) {
                                             const std::lock_guard lock(events_mutex_);
                                             events_ += lines;
                                           }));
    queue_->start(leases_);
    shared_.reset(new Shared{options_, "relay.example", *queue_, resolver_, clock_, random_,
                             metrics_, client_tls_});
  }

  // Everything that holds leases has gone. What is still on its way to the loop is run.
  void stop() {
    if (!queue_) return;
    queue_->stop_leasing();
    leases_.close();
    turn(3);
    host_.reset();
    queue_->stop();
    loop_.reset();
    queue_.reset();
  }

  MailHost& add_host() {
    host_ = std::make_unique<MailHost>(*loop_);
    return *host_;
  }

  // Another address, the same port.
  std::unique_ptr<MailHost> neighbour(const std::string& ip) {
    return std::make_unique<MailHost>(*loop_,
                                      Endpoint{*IpAddress::parse(ip), host_->endpoint().port});
  }

  // A text of so many octets, at least 2, dots among them.
  static std::string lines(std::size_t size) {
    std::string text;
    while (text.size() + 80 < size) text += ".line " + std::to_string(text.size()) + "\r\n";
    return text + std::string(size - text.size() - 2, 'x') + "\r\n";
  }

  struct Mail {
    std::string sender = "a@from.example";
    std::vector<std::string> to = {"b@to.example"};
    std::string text = "Subject: x\r\n\r\nhello\r\n";
    std::uint8_t notify = 0;
    Milliseconds lifetime = std::chrono::hours(24);
    std::string tenant{};
    queue::Band band = queue::Band::kNormal;
    WallTime release = {};  // told, and not kept: it is due at once
    message::ReturnContent returns = message::ReturnContent{};
    // The text is written while it arrives; its front has so many octets. 0: it is written whole.
    std::size_t front = 0;
  };

  // Puts it into the queue, and waits until it is there.
  void submit(const Mail& mail) {
    queue::Submission submission;
    submission.id = queue_->next_id();
    if (!mail.sender.empty()) {
      submission.envelope.sender = *message::parse_mailbox(mail.sender, false);
    }
    submission.envelope.tenant = mail.tenant;
    submission.envelope.return_content = mail.returns;
    for (const std::string& to : mail.to) {
      submission.recipients.push_back({*message::parse_mailbox(to, false), mail.notify, ""});
    }
    if (mail.front == 0) {
      submission.body = message::Body(mail.text);
    } else {
      write_text(submission, mail);
    }
    submission.expires = clock_.wall() + mail.lifetime;
    submission.band = mail.band;
    submission.envelope.priority = message::highest_of(mail.band);
    submission.envelope.release = mail.release;
    if (mail.release > WallTime()) submission.envelope.release_request = "for;60";
    expect_taken(
        [&](queue::SubmitDone done) { queue_->submit(std::move(submission), std::move(done)); });
  }

  void write_text(queue::Submission& submission, const Mail& mail) {
    submission.body = message::Body(mail.text.substr(0, mail.front));
    submission.opened = queue_->open_body(submission.id);
    constexpr std::size_t kUnit = queue::OpenBody::kPartUnit;
    std::size_t at = mail.front;
    for (; at + kUnit < mail.text.size(); at += kUnit) {
      expect_taken([&](queue::SubmitDone done) {
        submission.opened.append(message::Body(mail.text.substr(at, kUnit)), std::move(done));
      });
    }
    submission.opened.end(message::Body(mail.text.substr(at)));
  }

  // `call` gets what answers it.
  template <class Call>
  static void expect_taken(Call&& call) {
    std::promise<queue::Refusal> done;
    auto answer = done.get_future();
    call([&done](queue::Refusal refusal) { done.set_value(refusal); });
    EXPECT_EQ(answer.get(), queue::Refusal::kNone);
  }

  void submit() { submit(Mail{}); }

  // The next lease that comes.
  queue::Lease take_lease() {
    std::optional<queue::Lease> lease;
    EXPECT_TRUE(run_until([&] { return (lease = leases_.take()).has_value(); }));
    return lease ? std::move(*lease) : queue::Lease();
  }

  queue::Lease lease_of(const Mail& mail) {
    submit(mail);
    return take_lease();
  }

  queue::Lease a_lease() { return lease_of(Mail{}); }

  std::vector<queue::Lease> some_leases(std::size_t count, const Mail& mail) {
    std::vector<queue::Lease> leases;
    for (std::size_t i = 0; i < count; ++i) leases.push_back(lease_of(mail));
    return leases;
  }

  std::vector<queue::Lease> some_leases(std::size_t count) { return some_leases(count, Mail{}); }

  bool run_until_queue_holds(std::uint64_t messages) {
    return run_until([&] { return queue_->stats().messages == messages; });
  }

  std::string events() {
    const std::lock_guard lock(events_mutex_);
    return events_;
  }

  // How often `event` stands in the journal.
  std::size_t events_of(std::string_view event) {
    const std::string all = events();
    const std::string wanted = R"("event":")" + std::string(event) + '"';
    std::size_t count = 0;
    for (std::size_t at = 0; (at = all.find(wanted, at)) != std::string::npos; ++at) ++count;
    return count;
  }

  std::uint64_t counted(metrics::Metric metric, std::string_view label = {}) {
    return metrics_.counter(metric, label).value();
  }

  double gauge(metrics::Metric metric) { return metrics_.gauge(metric).value(); }

  queue::MemoryStore store_;
  SystemClock clock_;
  SystemRandom random_;
  metrics::Registry metrics_;
  std::mutex events_mutex_;
  std::string events_;
  LeaseBox leases_;
  ScriptedResolver resolver_;
  tls::IdentityFiles identity_{std::vector<std::string>{"mx.example"}};
  std::shared_ptr<const tls::Context> client_tls_ = tls::any_client();
  queue::Options queue_options_;
  Options options_;
  std::unique_ptr<queue::Queue> queue_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<MailHost> host_;
};

}  // namespace postrider::delivery
