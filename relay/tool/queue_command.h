// `postrider queue`: looks at the queue of a running relay and changes it. Thread: main.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "relay/tool/tool.h"

namespace postrider::tool {

// An empty text was not given; what is given says something.
struct QueueRequest {
  enum class Action { kList, kShow, kRemove, kRetry, kHold, kRelease, kSuspend, kResume };

  Action action = Action::kList;
  bool messages = false;  // list: messages, not queues
  std::string id;
  std::string domain;
  std::string sender;
  std::string tenant;
  std::string campaign;
  std::string older_than;  // a duration, as in the configuration
  std::string reason;      // suspend
  std::string duration;    // suspend: how long
  std::string from;        // list: where the page starts
  bool all = false;
  std::optional<unsigned> limit;
  bool yes = false;   // do not ask
  bool json = false;  // print the answer as it came

  // Something but --all says which messages.
  [[nodiscard]] bool names_messages() const {
    return !id.empty() || !domain.empty() || !sender.empty() || !tenant.empty() ||
           !campaign.empty() || !older_than.empty();
  }

  // Where the relay is: `admin` as ADDR:PORT, else what the file says.
  std::string admin;
  std::filesystem::path config;
  bool config_given = false;  // else a file that is not there means the default address
};

// Exit code; the answer on standard output, what went wrong on standard error.
int run_queue(const QueueRequest& request);

}  // namespace postrider::tool
