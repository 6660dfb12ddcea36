#include "relay/daemon/daemon.h"

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <pthread.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "dns/resolver.h"
#include "metrics/metrics.h"
#include "queue/queue.h"
#include "relay/admin/explanation_json.h"
#include "relay/admin/server.h"
#include "relay/auth/authenticator.h"
#include "relay/base/log.h"
#include "relay/base/random.h"
#include "relay/config/password_file.h"
#include "relay/daemon/activation.h"
#include "relay/daemon/certificates_watch.h"
#include "relay/daemon/clock_watch.h"
#include "relay/daemon/journal_sync.h"
#include "relay/daemon/kept_secret.h"
#include "relay/daemon/keys_watch.h"
#include "relay/daemon/notify.h"
#include "relay/daemon/privileges.h"
#include "relay/daemon/users_watch.h"
#include "relay/daemon/worker.h"
#include "relay/delivery/explainer.h"
#include "relay/delivery/own_addresses.h"
#include "relay/delivery/scheduler.h"
#include "relay/event/signal.h"
#include "relay/event/timer.h"
#include "relay/journal/record.h"
#include "relay/journal/writer.h"
#include "relay/submission/acceptor.h"
#include "relay/tls/context.h"

namespace postrider::daemon {

using metrics::Metric;

namespace {

// SIGTERM to exit: what has not ended by itself after this is cut. Service managers and people
// expect ten seconds.
constexpr Duration kDrainFor = Seconds(7);

// Ids run ahead of the clock a little where many are given at one time.
constexpr Duration kClockWentBack = Seconds(60);

// What the journal says when an operator removes recipients.
std::string removal_lines(const queue::Message& message,
                          const std::vector<message::Recipient>& recipients, WallTime now) {
  const std::string id = message.id.to_string();
  journal::Record record;
  record.time = now;
  record.event = journal::Event::kRemoved;
  record.id = id;
  record.envelope = &message.envelope;
  record.size = message.size;
  record.delay_seconds = std::chrono::duration<double>(now - message.arrived).count();
  std::string lines;
  for (const message::Recipient& recipient : recipients) {
    const std::string address = recipient.address.to_string();
    record.recipient = address;
    journal::append_line(lines, record);
  }
  return lines;
}

class Daemon {
 public:
  Daemon(const config::Config& config, OpenStore open_store)
      : config_(config), open_store_(std::move(open_store)) {}

  ~Daemon() { take_down(); }

  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  Result<void> start();
  void run();

 private:
  Result<void> bind_sockets();
  Result<void> drop_root();
  void make_listeners();
  Result<void> load_certificates();
  Result<void> open_queue();
  Result<void> start_resolver();
  Result<void> start_workers();
  Result<void> read_users();
  Result<void> read_keys();
  [[nodiscard]] std::vector<Network> own_networks() const;
  Result<delivery::Routes> make_routes() const;
  Result<void> start_accepting();
  Result<void> watch_signals();
  Result<void> watch_clock();
  void mend_due_times();
  void set_process_metrics();
  void begin_stop();
  void worker_quiet();
  void take_down();

  const config::Config& config_;
  const OpenStore open_store_;
  SystemClock clock_;
  SystemRandom random_;
  metrics::Registry metrics_;

  std::vector<event::Descriptor> sockets_;  // one a listener, until accepting
  std::unique_ptr<event::Loop> main_loop_;
  std::vector<event::Signal> signals_;
  std::unique_ptr<event::Timer> drain_timer_;
  std::optional<ClockWatch> clock_watch_;
  std::unique_ptr<event::Timer> clock_timer_;

  std::unique_ptr<journal::Writer> journal_;
  std::unique_ptr<JournalSync> journal_sync_;
  std::vector<std::unique_ptr<submission::Listener>> listeners_;
  std::shared_ptr<const tls::Context> client_tls_;
  std::unique_ptr<queue::Store> store_;
  std::unique_ptr<queue::Queue> queue_;

  std::unique_ptr<event::Loop> dns_loop_;
  std::unique_ptr<dns::Resolver> resolver_;
  std::thread dns_thread_;

  std::unique_ptr<submission::Shared> submission_;
  std::unique_ptr<delivery::Shared> delivery_;
  std::vector<std::unique_ptr<Worker>> workers_;
  // After the workers: its threads end before their loops go.
  std::unique_ptr<auth::Authenticator> authenticator_;
  std::unique_ptr<UsersWatch> users_;
  std::unique_ptr<KeysWatch> keys_;  // and the threads that sign
  std::unique_ptr<CertificatesWatch> certificates_;
  std::unique_ptr<delivery::Dispatcher> dispatcher_;
  std::unique_ptr<delivery::Explainer> explainer_;
  std::unique_ptr<submission::Acceptor> acceptor_;
  std::unique_ptr<admin::Server> admin_;

  std::size_t quiet_workers_ = 0;
  bool stopping_ = false;
  bool taken_down_ = false;
};

Result<void> Daemon::start() {
  auto loop = event::Loop::create();
  if (!loop) return failure(loop.error());
  main_loop_ = std::move(*loop);
  // Signals first: one that comes during the start is acted on as soon as the start is through.
  for (auto step : {&Daemon::watch_signals, &Daemon::watch_clock, &Daemon::bind_sockets,
                    &Daemon::drop_root, &Daemon::load_certificates, &Daemon::open_queue,
                    &Daemon::start_resolver, &Daemon::read_users, &Daemon::read_keys,
                    &Daemon::start_workers, &Daemon::start_accepting}) {
    if (auto done = (this->*step)(); !done) return done;
  }
  return {};
}

Result<void> Daemon::bind_sockets() {
  auto passed = take_passed_sockets();
  if (!passed) return failure(passed.error());
  auto sockets = sockets_of(config_.submission.listeners, *std::move(passed));
  if (!sockets) return failure(sockets.error());
  sockets_ = *std::move(sockets);
  return {};
}

Result<void> Daemon::drop_root() {
  const std::string& user = config_.server.user;
  if (!running_as_root()) return prepare_directory(config_.server.data_dir, "");
  if (user.empty()) {
    return failure("started as root without a user to become: set server.user");
  }
  if (auto made = prepare_directory(config_.server.data_dir, user); !made) return made;
  return become_user(user);
}

void Daemon::make_listeners() {
  for (const submission::ListenerOptions& options : config_.submission.listeners) {
    std::unique_ptr<submission::Listener> listener(new submission::Listener{options});
    smtp::ServerOptions session = config_.submission.session;
    session.host_name = config_.server.host_name;
    listener->session = submission::session_of(options, std::move(session));
    const std::string label = options.address.to_string();
    listener->accepted = metrics_.counter(Metric::kConnectionsAccepted, label);
    listener->open = metrics_.gauge(Metric::kSessionsOpen, label);
    listeners_.push_back(std::move(listener));
  }
}

Result<void> Daemon::load_certificates() {
  make_listeners();
  auto certificates = CertificatesWatch::start(config_.tls, listeners_, clock_, metrics_);
  if (!certificates) return failure(certificates.error());
  certificates_ = std::move(*certificates);
  for (const auto& listener : listeners_) {
    listener->session.tls_available = *listener->tls.lock() != nullptr;
  }

  tls::ClientTrust trust;
  if (config_.delivery.tls == policy::TlsLevel::kVerify) {
    trust = {tls::Verification::kPeer, config_.delivery.ca_file};
  }
  auto client = tls::Context::client(trust);
  if (!client) return failure(client.error());
  client_tls_ = std::move(*client);
  return {};
}

Result<void> Daemon::open_queue() {
  auto store = open_store_(config_.store);
  if (!store) return failure(store.error());
  store_ = std::move(*store);
  // Behind the store's lock, so that a second instance does not touch the journal of the first.
  auto journal = journal::Writer::open(config_.journal);
  if (!journal) return failure(journal.error());
  journal_ = std::move(*journal);
  if (!config_.journal.file.empty()) journal_sync_ = std::make_unique<JournalSync>(*journal_);
  auto opened = queue::Queue::open(
      config_.queue, *store_, clock_, random_, metrics_,
      [this](std::string_view lines) {
        journal_->append(lines);
        if (journal_sync_) journal_sync_->note_append();
      },
      [this](const queue::Message& message, const std::vector<message::Recipient>& recipients) {
        return removal_lines(message, recipients, clock_.wall());
      });
  if (!opened) return failure(opened.error());
  queue_ = std::move(*opened);
  const queue::Stats stats = queue_->stats();
  log::info("queue", "opened", {{"messages", stats.messages}, {"queues", stats.queues}});
  return {};
}

Result<void> Daemon::start_resolver() {
  auto loop = event::Loop::create();
  if (!loop) return failure(loop.error());
  dns_loop_ = std::move(*loop);
  auto resolver = dns::make_ares_resolver(*dns_loop_, config_.dns, clock_, random_, metrics_);
  if (!resolver) return failure(resolver.error());
  resolver_ = std::move(*resolver);
  dns_thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "dns");
    dns_loop_->run();
    resolver_.reset();  // its sockets and timers end on the thread they lived on
  });
  return {};
}

Result<void> Daemon::read_users() {
  auto secret = kept_secret(config_.server.data_dir + "/login.secret");
  if (!secret) return failure(secret.error());
  authenticator_ = std::make_unique<auth::Authenticator>(config_.auth, clock_, *secret);
  metrics_.gauge(Metric::kUsers).set(static_cast<double>(config_.auth.users.size()));
  if (config_.auth.users_file.empty()) return {};
  auto users = UsersWatch::start(
      config_.auth.users_file, config_.auth.users, metrics_,
      [this](std::vector<auth::User> all) { authenticator_->set_users(std::move(all)); });
  if (!users) return failure(users.error());
  users_ = std::move(*users);
  return {};
}

Result<void> Daemon::read_keys() {
  auto keys = KeysWatch::start(config_.signing, metrics_);
  if (!keys) return failure(keys.error());
  keys_ = std::move(*keys);
  return {};
}

Result<void> Daemon::start_workers() {
  auto routes = make_routes();
  if (!routes) return failure(routes.error());
  submission_.reset(new submission::Shared{config_.submission, *queue_, *authenticator_,
                                           keys_->signer(), clock_, metrics_,
                                           config_.delivery.retry.lifetime});
  delivery_.reset(new delivery::Shared{config_.delivery, config_.server.host_name, *queue_,
                                       *resolver_, clock_, random_, metrics_, client_tls_,
                                       own_networks(), *std::move(routes)});
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const unsigned count = config_.server.workers != 0 ? config_.server.workers : cores;
  std::vector<delivery::Scheduler*> schedulers;
  for (unsigned i = 0; i < count; ++i) {
    auto worker = Worker::create(*submission_, *delivery_, i);
    if (!worker) return failure(worker.error());
    workers_.push_back(std::move(*worker));
    schedulers.push_back(&workers_.back()->scheduler());
  }
  for (delivery::Scheduler* scheduler : schedulers) scheduler->set_peers(schedulers);
  explainer_ = std::make_unique<delivery::Explainer>(
      delivery::parts_of(*delivery_),
      [any = schedulers.front()](auto destination, auto sources, auto done) {
        any->post_look(std::move(destination), std::move(sources), std::move(done));
      });
  dispatcher_ = std::make_unique<delivery::Dispatcher>(std::move(schedulers));
  metrics_.gauge(Metric::kWorkers).set(count);
  for (const auto& worker : workers_) worker->start();
  queue_->start(*dispatcher_);
  mend_due_times();
  return {};
}

// Ids never go back: where they are ahead of the clock, that was ahead of today's in an earlier
// process, and what it put off may be due in years. No retry is put off beyond the longest interval
// and its jitter.
void Daemon::mend_due_times() {
  const WallTime now = clock_.wall();
  const WallTime last = queue_->next_id().time();
  if (last - now < kClockWentBack) return;
  log::warning("queue",
               "the clock is behind that of an earlier run: what waits for too long is due",
               {{"clock", to_iso8601(now)}, {"earlier", to_iso8601(last)}});
  queue::Selector too_late;
  too_late.due_after = now + 2 * config_.delivery.retry.interval_max;
  queue_->retry_now(std::move(too_late), [](Result<std::uint64_t> done) {
    if (!done) {
      return log::error("queue", "due times were not mended", {{"why", done.error().text()}});
    }
    log::info("queue", "due times were mended", {{"messages", *done}});
  });
}

std::vector<Network> Daemon::own_networks() const {
  std::vector<IpAddress> bound;
  for (const submission::ListenerOptions& listener : config_.submission.listeners) {
    bound.push_back(listener.address.ip);
  }
  std::vector<Network> networks = delivery::own_addresses(bound);
  const auto& more = config_.delivery.own_addresses;
  networks.insert(networks.end(), more.begin(), more.end());
  return networks;
}

Result<delivery::Routes> Daemon::make_routes() const {
  delivery::Routes routes(delivery::mail_hosts(config_.delivery, client_tls_));
  std::shared_ptr<const tls::Context> verifying;
  std::shared_ptr<const tls::Context> any;
  for (const delivery::RouteOptions& options : config_.delivery.routes) {
    const bool verifies = options.tls == policy::TlsLevel::kVerify;
    std::shared_ptr<const tls::Context>& context = verifies ? verifying : any;
    if (!context) {
      auto made = tls::Context::client(
          verifies ? tls::ClientTrust{tls::Verification::kPeer, config_.delivery.ca_file}
                   : tls::ClientTrust{});
      if (!made) return failure(made.error());
      context = std::move(*made);
    }
    std::string password = options.password;
    if (!options.password_file.empty()) {
      auto read = config::read_password(options.password_file);
      if (!read) return failure(read.error());
      password = *std::move(read);
    }
    routes.add(options.domain, options.tenant,
               delivery::smart_host(options, std::move(password), context));
  }
  return routes;
}

Result<void> Daemon::start_accepting() {
  if (config_.admin.enabled) {
    auto admin = admin::Server::start(
        config_.admin, *queue_, metrics_, clock_,
        [this](const message::Address& address, const std::string& tenant) -> Result<std::string> {
          const auto explanation = explainer_->explain(address, tenant);
          if (!explanation) return failure(explanation.error());
          return admin::to_json(*explanation);
        });
    if (!admin) return failure(admin.error());
    admin_ = std::move(*admin);
    log::info("admin", "listening", {{"address", admin_->endpoint().to_string()}});
  }
  std::vector<submission::Receiver*> receivers;
  receivers.reserve(workers_.size());
  for (const auto& worker : workers_) receivers.push_back(&worker->receiver());
  acceptor_ =
      std::make_unique<submission::Acceptor>(*main_loop_, *submission_, std::move(receivers));
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    const auto endpoint = event::local_endpoint(sockets_[i].get());
    if (auto served = acceptor_->serve(std::move(sockets_[i]), *listeners_[i]); !served) {
      return served;
    }
    log::announce("submission", "listening",
                  {{"address", endpoint ? endpoint->to_string() : ""},
                   {"mode", smtp::name_of(listeners_[i]->options.mode)}});
  }
  return {};
}

Result<void> Daemon::watch_clock() {
  clock_watch_.emplace(clock_, metrics_, [] {
    return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  });
  clock_timer_ = std::make_unique<event::Timer>(*main_loop_, [this] {
    clock_watch_->look();
    clock_timer_->arm(clock_.now() + ClockWatch::kInterval);
  });
  clock_watch_->look();
  clock_timer_->arm(clock_.now() + ClockWatch::kInterval);
  return {};
}

Result<void> Daemon::watch_signals() {
  for (const int number : {SIGTERM, SIGINT}) {
    auto signal = event::Signal::create(*main_loop_, number, [this] { begin_stop(); });
    if (!signal) return failure(signal.error());
    signals_.push_back(std::move(*signal));
  }
  // An outside tool that renamed the journal sends this to have it reopened; and whoever changed
  // users, keys or certificates and does not want to wait.
  auto hangup = event::Signal::create(*main_loop_, SIGHUP, [this] {
    if (journal_sync_) journal_sync_->reopen();
    if (users_) users_->read_again();
    if (keys_) keys_->read_again();
    if (certificates_) certificates_->read_again();
  });
  if (!hangup) return failure(hangup.error());
  signals_.push_back(std::move(*hangup));
  return {};
}

void Daemon::set_process_metrics() {
  metrics_.gauge(Metric::kBuildInfo, PR_VERSION).set(1);
  metrics_.gauge(Metric::kStartTime)
      .set(std::chrono::duration<double>(clock_.wall().time_since_epoch()).count());
  metrics_.add_collector([this, dropped = metrics_.counter(Metric::kJournalDropped)] {
    dropped.add(journal_->dropped_lines() - dropped.value());
  });
  metrics_.add_collector([this, open = metrics_.gauge(Metric::kTlsHandshakesInOpen)] {
    open.set(static_cast<double>(submission_->handshakes.taken()));
  });
  metrics_.add_collector([this, octets = metrics_.gauge(Metric::kTextBytes)] {
    octets.set(static_cast<double>(submission_->texts.octets()));
  });
}

void Daemon::run() {
  set_process_metrics();
  log::info("server", "ready", {{"host", config_.server.host_name}, {"pid", getpid()}});
  notify_manager("READY=1");
  main_loop_->run();
  take_down();
}

void Daemon::begin_stop() {
  if (std::exchange(stopping_, true)) {  // told twice: no more waiting
    main_loop_->stop();
    return;
  }
  log::info("server", "stopping: no new connections; sessions and deliveries in progress end");
  notify_manager("STOPPING=1");
  acceptor_->stop();
  queue_->stop_leasing();
  drain_timer_ = std::make_unique<event::Timer>(*main_loop_, [this] {
    log::warning("server", "some connections did not end in time and are cut");
    main_loop_->stop();
  });
  drain_timer_->arm(clock_.now() + kDrainFor);
  for (const auto& worker : workers_) {
    worker->shut_down([this] { main_loop_->post([this] { worker_quiet(); }); });
  }
}

void Daemon::worker_quiet() {
  if (++quiet_workers_ == workers_.size()) main_loop_->stop();
}

// Takes down what start() has built, however far it got.
void Daemon::take_down() {
  if (std::exchange(taken_down_, true)) return;
  drain_timer_.reset();
  clock_timer_.reset();
  acceptor_.reset();
  if (explainer_) explainer_->stop();
  admin_.reset();
  if (queue_ && dispatcher_) queue_->stop_leasing();
  for (const auto& worker : workers_) worker->stop();
  for (const auto& worker : workers_) worker->join();
  certificates_.reset();
  users_.reset();
  authenticator_.reset();
  if (submission_) submission_->handshaker.stop();
  if (delivery_) delivery_->handshaker.stop();
  if (delivery_) delivery_->login_keys.stop();
  keys_.reset();  // what still waits for its signature is answered, and posted to loops that ended
  if (dns_thread_.joinable()) {
    dns_loop_->post([this] {
      resolver_->stop();
      dns_loop_->stop();
    });
    dns_thread_.join();
  }
  if (queue_ && dispatcher_) queue_->stop();
  workers_.clear();  // gives back the leases that were still on their way
  queue_.reset();
  journal_sync_.reset();
  store_.reset();
  metrics_.clear_collectors();
  signals_.clear();
}

}  // namespace

int serve(const config::Config& config, OpenStore open_store) {
  log::set_level(config.server.log_level);
  std::signal(SIGPIPE, SIG_IGN);
  // A file at the limit of its size is then what a full disk is (RLIMIT_FSIZE, setrlimit(2)).
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);  // until there is something to reload
  const std::size_t descriptors = raise_descriptor_limit();
  if (descriptors < config.submission.admission.connections_max) {
    log::warning("server", "fewer descriptors than clients that are allowed; raise LimitNOFILE",
                 {{"descriptors", descriptors},
                  {"submission.connections_max", config.submission.admission.connections_max}});
  }
  Daemon daemon(config, std::move(open_store));
  if (auto started = daemon.start(); !started) {
    log::error("server", "cannot start", {{"error", started.error().text()}});
    return 1;
  }
  daemon.run();
  log::info("server", "stopped");
  return 0;
}

}  // namespace postrider::daemon
