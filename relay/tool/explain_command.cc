#include "relay/tool/explain_command.h"

#include <memory>
#include <thread>
#include <utility>

#include "dns/resolver.h"
#include "metrics/metrics.h"
#include "relay/admin/explanation_json.h"
#include "relay/base/ascii.h"
#include "relay/base/random.h"
#include "relay/config/config.h"
#include "relay/delivery/explainer.h"
#include "relay/delivery/own_addresses.h"
#include "relay/event/loop.h"
#include "relay/message/address.h"
#include "relay/tool/admin_client.h"
#include "relay/tool/admin_target.h"
#include "relay/tool/check.h"
#include "relay/tool/terminal.h"
#include "relay/tool/tool.h"

namespace postrider::tool {

namespace {

// A resolver on a loop of its own, for as long as it lives.
class OwnResolver {
 public:
  static Result<std::unique_ptr<OwnResolver>> start(const dns::Options& options) {
    auto loop = event::Loop::create();
    if (!loop) return failure(loop.error());
    std::unique_ptr<OwnResolver> own(new OwnResolver(std::move(*loop)));
    auto resolver =
        dns::make_ares_resolver(*own->loop_, options, own->clock_, own->random_, own->metrics_);
    if (!resolver) return failure(resolver.error());
    own->resolver_ = std::move(*resolver);
    own->thread_ = std::thread([self = own.get()] {
      self->loop_->run();
      self->resolver_.reset();  // its sockets and timers end on the thread they lived on
    });
    return own;
  }

  ~OwnResolver() {
    if (!thread_.joinable()) return;
    loop_->post([this] {
      resolver_->stop();
      loop_->stop();
    });
    thread_.join();
  }

  OwnResolver(const OwnResolver&) = delete;
  OwnResolver& operator=(const OwnResolver&) = delete;

  dns::Resolver& get() { return *resolver_; }

  [[nodiscard]] const Clock& clock() const { return clock_; }

 private:
  explicit OwnResolver(std::unique_ptr<event::Loop> loop) : loop_(std::move(loop)) {}

  SystemClock clock_;
  SystemRandom random_;
  metrics::Registry metrics_;
  std::unique_ptr<event::Loop> loop_;
  std::unique_ptr<dns::Resolver> resolver_;
  std::thread thread_;
};

// As the daemon makes them, but for what only a connection needs: passwords and TLS.
delivery::Routes routes_of(const delivery::Options& options) {
  delivery::Routes routes(delivery::mail_hosts(options, nullptr));
  for (const delivery::RouteOptions& route : options.routes) {
    routes.add(route.domain, route.tenant, delivery::smart_host(route, "", nullptr));
  }
  return routes;
}

Result<std::string> work_out(const config::Config& config, const message::Address& address,
                             const std::string& tenant) {
  const delivery::Options& options = config.delivery;
  auto resolver = OwnResolver::start(config.dns);
  if (!resolver) return failure(resolver.error());
  std::vector<IpAddress> bound;
  for (const auto& listener : config.submission.listeners) bound.push_back(listener.address.ip);
  std::vector<Network> own = delivery::own_addresses(bound);
  own.insert(own.end(), options.own_addresses.begin(), options.own_addresses.end());
  const delivery::Routes routes = routes_of(options);
  const delivery::Sources sources(options, config.server.host_name);
  const delivery::Destinations destinations(options);
  delivery::Explainer explainer(
      {options, routes, sources, destinations, own, (*resolver)->get(), (*resolver)->clock()});
  const auto explanation = explainer.explain(address, tenant);
  if (!explanation) return failure(explanation.error());
  return admin::to_json(*explanation);
}

int show_answer(const ExplainRequest& request, const std::string& body) {
  if (request.json) {
    print(body);
    return kDone;
  }
  const auto text = show_explanation(body);
  if (!text) {
    complain(text.error().text());
    return kFailed;
  }
  print(*text);
  return kDone;
}

int explain_offline(const ExplainRequest& request, const message::Address& address) {
  const config::LoadResult loaded = config::load_file(request.config);
  if (!loaded.problems.empty()) {
    print_problems(loaded.problems);
    return kBadConfig;
  }
  const auto body = work_out(loaded.config, address, request.tenant);
  if (body) return show_answer(request, *body);
  complain(body.error().text());
  return kFailed;
}

}  // namespace

int run_explain(const ExplainRequest& request) {
  const auto address = message::parse_mailbox(request.address, true);
  if (!address || address->domain.empty()) {
    complain("'" + ascii::printable(request.address, 60) + "' is not a mail address");
    return kUsage;
  }
  if (request.offline) return explain_offline(request, *address);
  const auto [target, code] = find_admin({request.admin, request.config, request.config_given});
  if (!target) return code == kUnreachable ? explain_offline(request, *address) : code;
  const AdminClient client(target->address, target->token);
  const auto reply =
      client.send("GET", "/explain", {{"address", request.address}, {"tenant", request.tenant}});
  if (!reply && !request.admin.empty()) {
    complain(reply.error().text());
    return kUnreachable;
  }
  if (!reply) return explain_offline(request, *address);
  return reply->code == 200 ? show_answer(request, reply->body) : report_refusal(*reply);
}

}  // namespace postrider::tool
