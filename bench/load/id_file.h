// IdFile: the list of acknowledged messages: a line "QUEUE-ID SEQUENCE TIME" for each, in the
// kernel as soon as the acknowledgement is here, so that what a killed relay had promised can be
// checked. TIME is in microseconds of the monotonic clock, the same in all processes of a machine.
// Thread: any.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "relay/base/result.h"
#include "relay/event/tcp.h"

namespace postrider::bench {

class IdFile {
 public:
  // Appends to what is there.
  static Result<std::unique_ptr<IdFile>> open(const std::string& path);

  // `reply`: the text that acknowledged; the id is what follows "queued as ", or "-".
  void add(std::string_view reply, std::string_view sequence);

 private:
  IdFile(std::string path, event::Descriptor file)
      : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  event::Descriptor file_;
};

// The id in a reply such as "250 2.0.0 ok queued as 4f1c"; "-" where there is none.
std::string_view find_queue_id(std::string_view reply);

}  // namespace postrider::bench
