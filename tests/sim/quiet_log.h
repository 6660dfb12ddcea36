// QuietLog: what the relay logs of a hostile internet is not shown. Thread: one.
#pragma once

#include "relay/base/log.h"

namespace postrider::sim {

class QuietLog {
 public:
  QuietLog() {
    log::set_level(log::Level::kError);
    log::set_sink([](std::string_view) {});
  }

  ~QuietLog() {
    log::set_sink(nullptr);
    log::set_level(log::Level::kInfo);
  }

  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;
};

}  // namespace postrider::sim
