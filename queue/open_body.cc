#include "queue/open_body.h"

#include <utility>

#include "queue/core.h"
#include "relay/base/check.h"

namespace postrider::queue {

struct OpenBody::State {
  State(Core& its_core, const MessageId& its_id) : core(its_core), id(its_id) {
    core.open_bodies.fetch_add(1);
  }

  ~State() {
    if (written > 0) core.enqueue(AbandonOp{id, written});
    core.open_bytes.fetch_sub(written);
    core.open_bodies.fetch_sub(1);
  }

  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Core& core;
  MessageId id;
  std::uint64_t written = 0;  // or on its way to the store
  bool ended = false;
  message::Body rest;
  SharedPartState part = std::make_shared<std::atomic<PartState>>(PartState::kDone);
};

OpenBody::OpenBody() = default;
OpenBody::OpenBody(OpenBody&& other) noexcept = default;
OpenBody& OpenBody::operator=(OpenBody&& other) noexcept = default;
OpenBody::~OpenBody() = default;

OpenBody::OpenBody(std::unique_ptr<State> state) : state_(std::move(state)) {}

void OpenBody::append(message::Body part, SubmitDone done) {
  State& state = *state_;
  const std::size_t size = part.size();
  PR_CHECK(size > 0 && size % kPartUnit == 0, state.id.to_string());
  PR_CHECK(!state.ended && *state.part == PartState::kDone, state.id.to_string());
  *state.part = PartState::kUnderWay;
  AppendOp operation{state.id, state.written, std::move(part), std::move(done), state.part};
  if (!state.core.append(std::move(operation))) return;
  state.written += size;
  state.core.open_bytes.fetch_add(size);
}

void OpenBody::end(message::Body rest) {
  PR_CHECK(!std::exchange(state_->ended, true), state_->id.to_string());
  state_->rest = std::move(rest);
}

std::uint64_t OpenBody::size() const {
  return valid() ? state_->written + state_->rest.size() : 0;
}

OpenBody OpenBodyParts::make(Core& core, const MessageId& id) {
  return OpenBody(std::make_unique<OpenBody::State>(core, id));
}

void OpenBodyParts::check(const Submission& submission) {
  if (!submission.opened.valid()) return;
  const OpenBody::State& state = *submission.opened.state_;
  const std::size_t front = submission.body.size();
  PR_CHECK(front > 0 && front <= OpenBody::kFrontMax, submission.id.to_string());
  PR_CHECK(state.id == submission.id, submission.id.to_string());
  PR_CHECK(*state.part == PartState::kDone, submission.id.to_string());
}

std::size_t OpenBodyParts::held(const Submission& submission) {
  const OpenBody& opened = submission.opened;
  return submission.body.size() + (opened.valid() ? opened.state_->rest.size() : 0);
}

OpenBodyParts::Taken OpenBodyParts::take(OpenBody& body) {
  if (!body.valid()) return {};
  OpenBody::State& state = *body.state_;
  state.core.open_bytes.fetch_sub(state.written);
  Taken taken{std::exchange(state.written, 0), std::move(state.rest)};
  body.state_.reset();
  return taken;
}

}  // namespace postrider::queue
