// What the tests of relay/submission share: a real queue over memory, receivers on a loop that the
// test turns, and clients on the same loop, with TLS where they start it.
#pragma once

#include <atomic>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "queue/memory_store.h"
#include "queue/queue.h"
#include "relay/base/ascii.h"
#include "relay/base/random.h"
#include "relay/submission/acceptor.h"
#include "relay/submission/connection.h"
#include "relay/submission/receiver.h"
#include "tests/unit/relay/event/event_fixture.h"
#include "tests/unit/relay/tls/tls_fixture.h"

namespace postrider::submission {

// Keeps every lease; the test looks at them.
class LeaseBox final : public queue::Consumer {
 public:
  void deliver(std::vector<queue::Lease> leases) override {
    const std::lock_guard lock(mutex_);
    for (queue::Lease& lease : leases) leases_.push_back(std::move(lease));
    count_ = leases_.size();
  }

  [[nodiscard]] std::size_t count() const { return count_; }

  // Once count() says it is there, and while nothing more is delivered.
  const queue::Lease& at(std::size_t i) {
    const std::lock_guard lock(mutex_);
    return leases_.at(i);
  }

  // They are finished, as delivered.
  void finish(queue::Queue& queue) {
    const std::lock_guard lock(mutex_);
    for (queue::Lease& lease : leases_) {
      queue::Completion completion;
      completion.fates.assign(lease.recipients().size(), queue::Fate::kDelivered);
      queue.finish(std::move(lease), std::move(completion));
    }
    leases_.clear();
    count_ = 0;
  }

  void give_back() {
    std::vector<queue::Lease> leases;
    const std::lock_guard lock(mutex_);
    leases.swap(leases_);
    count_ = 0;
  }

 private:
  std::mutex mutex_;
  std::vector<queue::Lease> leases_;
  std::atomic<std::size_t> count_{0};
};

// A client's end of a connection.
class Client final : public event::StreamEvents {
 public:
  void on_data(std::string_view bytes) override {
    if (!tls_) {
      text += bytes;
      return;
    }
    tls_->receive(bytes, text);
    flush();
  }

  void on_end() override { ended = true; }

  void on_failure(const Error&) override { ended = failed = true; }

  void send(std::string bytes) {
    if (!tls_) return stream->write(std::move(bytes));
    tls_->send(bytes);
    flush();
  }

  void start_tls() {
    tls_.emplace(tls::Engine::client(tls::any_client(), "relay.example"));
    tls_->receive("", text);
    flush();
  }

  // Its own direction; it reads on.
  void close_tls() {
    tls_->close();
    flush();
  }

  [[nodiscard]] bool in_tls() const { return tls_ && tls_->state() == tls::Engine::State::kOpen; }

  // The first complete reply out of `text`; nullopt: there is none yet.
  std::optional<std::string> take_reply() {
    std::size_t at = 0;
    for (;;) {
      const std::size_t end = text.find("\r\n", at);
      if (end == std::string::npos) return std::nullopt;
      const bool last = end - at < 4 || text[at + 3] != '-';
      at = end + 2;
      if (!last) continue;
      std::string reply = text.substr(0, at);
      text.erase(0, at);
      return reply;
    }
  }

  std::optional<event::Stream> stream;
  std::string text;
  bool ended = false;
  bool failed = false;

 private:
  void flush() {
    std::string output = tls_->take_output();
    if (!output.empty()) stream->write(std::move(output));
  }

  std::optional<tls::Engine> tls_;
};

class SubmissionTest : public event::EventTest {
 protected:
  SubmissionTest() {
    listener_.options.mode = smtp::ListenerMode::kTrusted;
    listener_.session.host_name = "relay.example";
    auth_options_.users = {{"app", "", "secret"}};
    auth_options_.users[0].senders = {"*"};
    options_.admission.trusted_networks = {*Network::parse("127.0.0.0/8")};
  }

  ~SubmissionTest() override { stop(); }

  // With the options as they are now.
  void open() {
    queue_ = std::move(*queue::Queue::open(queue_options_, store_, clock_, random_, metrics_,
                                           [this](std::string_view lines) {
                                             const std::lock_guard lock(events_mutex_);
                                             events_ += lines;
                                           }));
    queue_->start(leases_);
    authenticator_ = std::make_unique<auth::Authenticator>(auth_options_, clock_);
    auto keys = signing::Keyring::read(signing_options_.keys);
    ASSERT_TRUE(keys) << keys.error().text();
    signer_ = std::make_unique<signing::Signer>(signing_options_, *keys);
    shared_.reset(new Shared{options_, *queue_, *authenticator_, *signer_, clock_, metrics_,
                             std::chrono::hours(24)});
    listener_.session.mode = listener_.options.mode;
    listener_.session.tls_available = *listener_.tls.lock() != nullptr;
    listener_.accepted = metrics_.counter(metrics::Metric::kConnectionsAccepted, listener_label_);
    listener_.open = metrics_.gauge(metrics::Metric::kSessionsOpen, listener_label_);
    receiver_ = std::make_unique<Receiver>(*loop_, *shared_);
  }

  void stop_queue() {
    if (!queue_) return;
    queue_->stop_leasing();
    leases_.give_back();
    queue_->stop();
    leases_.give_back();
  }

  void stop() {
    release_store();
    receiver_.reset();
    authenticator_.reset();
    signer_.reset();
    stop_queue();
    queue_.reset();
  }

  // A listener that asks for a login, with a certificate.
  void use_submission(smtp::ListenerMode mode = smtp::ListenerMode::kSubmission) {
    listener_.options.mode = mode;
    *listener_.tls.lock() = tls::server_context(identity_);
  }

  // A client whose connection a receiver has taken over.
  std::unique_ptr<Client> connect(std::optional<message::Status> refusal = std::nullopt,
                                  bool proxied = false) {
    auto [ours, theirs] = event::connected_pair();
    auto client = client_on(std::move(ours));
    Accepted accepted{std::move(theirs), client->stream->peer(), &listener_};
    accepted.entry.refusal = std::move(refusal);
    accepted.proxied = proxied;
    receiver_->adopt(std::move(accepted));
    return client;
  }

  // The same from a load balancer.
  std::unique_ptr<Client> connect_proxied() { return connect(std::nullopt, true); }

  std::unique_ptr<Client> client_on(event::Descriptor descriptor) {
    auto client = std::make_unique<Client>();
    client->stream.emplace(*event::Stream::adopt(*loop_, std::move(descriptor), *client));
    return client;
  }

  // The next reply; "" if the connection ends before it.
  std::string reply(Client& client) {
    std::optional<std::string> found;
    run_until([&] { return (found = client.take_reply()).has_value() || client.ended; });
    if (!found) found = client.take_reply();
    return found.value_or("");
  }

  std::string say(Client& client, const std::string& command) {
    client.send(command + "\r\n");
    return reply(client);
  }

  // Through the greeting and EHLO.
  std::unique_ptr<Client> greeted() {
    auto client = connect();
    EXPECT_EQ(reply(*client), "220 relay.example ESMTP postrider\r\n");
    EXPECT_TRUE(say(*client, "EHLO client.example").starts_with("250-relay.example"));
    return client;
  }

  // Through TLS, and EHLO within it.
  std::unique_ptr<Client> secured() {
    auto client = greeted();
    EXPECT_TRUE(say(*client, "STARTTLS").starts_with("220 "));
    client->start_tls();
    EXPECT_TRUE(run_until([&] { return client->in_tls(); }));
    EXPECT_TRUE(say(*client, "EHLO client.example").starts_with("250-relay.example"));
    return client;
  }

  static std::string plain_login(const std::string& password) {
    using namespace std::string_literals;
    return "AUTH PLAIN " + ascii::base64_encode("\0app\0"s + password);
  }

  // One message of the client's up to the final dot, which is sent too.
  void send_message(Client& client, const std::string& text) {
    EXPECT_EQ(say(client, "MAIL FROM:<a@from.example>"), "250 2.1.0 Ok\r\n");
    EXPECT_EQ(say(client, "RCPT TO:<b@to.example>"), "250 2.1.5 Ok\r\n");
    EXPECT_TRUE(say(client, "DATA").starts_with("354 "));
    client.send(text + ".\r\n");
  }

  // Writes of the queue wait until release_store(), once one has begun.
  void hold_store() {
    held_ = std::make_shared<Hold>();
    store_.set_fault([hold = held_](std::string_view call, std::uint64_t) {
      if (call == "write" && !hold->released) {
        hold->reached = true;
        hold->release.get_future().wait();
      }
      return false;
    });
  }

  bool run_until_held() {
    return run_until([&] { return held_->reached.load(); });
  }

  void release_store() {
    if (held_ && !held_->released.exchange(true)) held_->release.set_value();
  }

  // From memory, or read from the store.
  std::string text_of(const queue::Lease& lease) {
    if (lease.body()) return lease.body()->to_string();
    std::string text;
    for (std::uint32_t i = 0; i < lease.message().pieces(); ++i) {
      std::promise<std::string> read;
      queue_->read_piece(lease, i, [&](const Result<message::Body>& piece) {
        read.set_value(piece ? piece->to_string() : piece.error().text());
      });
      text += read.get_future().get();
    }
    return text;
  }

  // The defaults, but that texts need not be large to be written while they arrive.
  static Options streams_early() {
    Options options;
    options.stream_from = BodyWriter::kPartSize;
    return options;
  }

  // A header section without fields, and `size` octets or a few more in lines behind it.
  static std::string large_text(std::size_t size) {
    std::string text = "\r\n";
    while (text.size() < size) text += "line " + std::to_string(text.size()) + "\r\n";
    return text;
  }

  // Nothing is left in the queue's store of a text that did not become a message.
  bool run_until_erased() {
    return run_until([&] { return queue_->stats().open_bodies == 0 && store_.size() <= 2; });
  }

  std::string events() {
    const std::lock_guard lock(events_mutex_);
    return events_;
  }

  // The number of connections that the receiver holds is zero.
  bool run_until_empty() {
    return run_until([&] { return receiver_->sessions() == 0; });
  }

  std::uint64_t counted(metrics::Metric metric, std::string_view label = {}) {
    return metrics_.counter(metric, label).value();
  }

  struct Hold {
    std::atomic<bool> reached{false};
    std::atomic<bool> released{false};
    std::promise<void> release;
  };

  static constexpr std::string_view listener_label_ = "test";

  std::shared_ptr<Hold> held_;
  queue::MemoryStore store_;
  SystemClock clock_;
  SystemRandom random_;
  metrics::Registry metrics_;
  std::mutex events_mutex_;
  std::string events_;
  LeaseBox leases_;
  tls::IdentityFiles identity_{std::vector<std::string>{"relay.example"}};
  queue::Options queue_options_;
  auth::Options auth_options_;
  signing::Options signing_options_;
  Options options_ = streams_early();
  Listener listener_;
  std::unique_ptr<queue::Queue> queue_;
  std::unique_ptr<auth::Authenticator> authenticator_;
  std::unique_ptr<signing::Signer> signer_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Receiver> receiver_;
};

}  // namespace postrider::submission
