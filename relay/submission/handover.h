// Handover: what an intake has made of a message, on its way to the queue; signed in between where
// keys were found for it. Independent of the session, which may end meanwhile.
#pragma once

#include <optional>
#include <string>

#include "queue/queue.h"
#include "relay/message/header_section.h"
#include "relay/policy/quota.h"
#include "relay/signing/signature.h"
#include "relay/submission/intake.h"
#include "relay/submission/text_memory.h"

namespace postrider::submission {

struct Shared;

struct Handover {
  // Its body without trace field and header section; of a text that is written already, where
  // `opened` is valid, the rest.
  queue::Submission submission;
  signing::BodyDigests digests;  // of what is written already, where there are keys
  message::HeaderSection header;
  std::string trace;   // the Received field, which no signature of ours covers
  std::string client;  // for the journal
  signing::Signings signings;

  // What was taken from a user's quota; user "": nothing.
  struct Charge {
    std::string user;
    policy::SentAmount amount;
    WallTime time;
  };

  Charge charge;
  WallTime time;
  // Its text, until the queue's own limits count that; and then its journal lines, until they are
  // written.
  TextShare share;
  int asked_priority = 0;
};

// A denial: refused here, for too many messages wait for their signature; the quota is given back
// and `done` will not be called. Otherwise `done` is called once: on a thread of the queue or of
// the signer, or within this call. What `shared` refers to outlives that.
std::optional<Denied> hand_over(Shared& shared, Handover message, Intake::Done done);

}  // namespace postrider::submission
