// Signer: the keys that sign now, and the threads they sign on. Threads of its own, not those that
// check passwords: whoever guesses passwords must not hold up mail. Thread: any.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "relay/base/guarded.h"
#include "relay/base/task.h"
#include "relay/base/thread_pool.h"
#include "relay/message/body.h"
#include "relay/message/header_section.h"
#include "relay/signing/body_digests.h"
#include "relay/signing/keyring.h"
#include "relay/signing/options.h"
#include "relay/signing/signature.h"

namespace postrider::signing {

// What became of one message.
struct Outcome {
  enum class Kind { kSigned, kFailed, kStopped };
  Kind kind = Kind::kStopped;
  std::string fields;  // kSigned: to be put in front of the header section
  std::string error;   // kFailed
};

class Signer {
 public:
  Signer(const Options& options, std::shared_ptr<const Keyring> keys);

  // From now on these keys sign; messages that wait are signed with what was found for them.
  void set_keys(std::shared_ptr<const Keyring> keys);
  [[nodiscard]] std::shared_ptr<const Keyring> keys() const;

  // What is signed: shares the body's bytes.
  struct Job {
    Signings signings;
    message::HeaderSection header;
    message::Body body;
    BodyDigests begun;  // of what stands before `body`; not valid: nothing does
    WallTime now;
    // Called once, on a thread of the signer, or with kStopped in its destructor; not from within
    // sign().
    UniqueFunction<void(Outcome, message::HeaderSection)> done;
  };

  // False: too many messages are waiting; the job is as it was.
  bool sign(Job& job);

  // A part of a body that is signed when the rest is there. Shares its bytes.
  struct Part {
    BodyDigests digests;  // of those before it
    message::Body body;
    // Called once, on a thread of the signer, or with digests that are not valid where that ends:
    // in its destructor, or within the call.
    UniqueFunction<void(BodyDigests)> done;
  };

  // Hashes it. Not refused, however many messages wait: the caller has one part of each message.
  void digest(Part part);

 private:
  mutable Guarded<std::shared_ptr<const Keyring>> keys_;
  ThreadPool pool_;
};

}  // namespace postrider::signing
