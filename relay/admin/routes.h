// Routes: what the admin server answers, without HTTP's wire form. Private to admin.
//
// Thread: any; stop() makes requests that wait for the queue answer at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "relay/admin/server.h"
#include "relay/base/answers.h"

namespace postrider::admin {

struct Request {
  std::string method;
  std::string path;
  std::vector<std::pair<std::string, std::string>> parameters;  // decoded
  std::string authorization;                                    // the header's value, or ""
  bool from_web_page = false;                                   // it has an Origin header
  std::string host = {};                                        // the header's value, or ""
};

struct Response {
  int code = 200;
  std::string body;
  std::string_view content_type = "application/json";
  std::string_view allow = {};  // of a 405
};

class Routes {
 public:
  // Rows of an answer: unless asked for otherwise, and at most.
  static constexpr std::size_t kLimitDefault = 100;
  static constexpr std::size_t kLimitMax = 10'000;
  // How long a change may wait for the commit thread.
  static constexpr Seconds kChangeWait{10};

  // All must outlive this; `options` is copied.
  Routes(Options options, queue::Queue& queue, metrics::Registry& metrics, const Clock& clock,
         Explain explain = {});
  ~Routes();
  Routes(const Routes&) = delete;
  Routes& operator=(const Routes&) = delete;

  [[nodiscard]] Response answer(const Request& request);
  void stop();

 private:
  struct Route;
  using Count = std::optional<Result<std::uint64_t>>;  // of what was changed; nullopt: not answered

  [[nodiscard]] bool may_enter(const Request& request) const;

  Response show_metrics(const Request& request);
  Response show_health(const Request& request);
  Response show_queues(const Request& request);
  Response show_messages(const Request& request);
  Response show_message(const Request& request);
  Response explain(const Request& request);
  Response remove(const Request& request);
  Response retry(const Request& request);
  Response hold(const Request& request);
  Response release(const Request& request);
  Response suspend(const Request& request);
  Response resume(const Request& request);

  using Change = void (queue::Queue::*)(queue::Selector,
                                        UniqueFunction<void(Result<std::uint64_t>)>);
  Response change(const Request& request, Change call);
  [[nodiscard]] UniqueFunction<void(Result<std::uint64_t>)> noting(
      std::shared_ptr<Count> answer) const;
  Response when_answered(const Count& answer, const char* what);

  Options options_;
  queue::Queue& queue_;
  metrics::Registry& metrics_;
  const Clock& clock_;
  Explain explain_;
  std::shared_ptr<Answers> answers_;
};

}  // namespace postrider::admin
