// Notify: tells the service manager how far we are (sd_notify(3)). Thread: any.
#pragma once

#include <string_view>

namespace postrider::daemon {

// "READY=1", "STOPPING=1", ... Does nothing where no manager listens (NOTIFY_SOCKET is not set).
void notify_manager(std::string_view state);

}  // namespace postrider::daemon
