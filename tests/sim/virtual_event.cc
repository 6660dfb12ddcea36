#include "tests/sim/virtual_event.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>

#include "relay/base/check.h"
#include "relay/event/tcp.h"
#include "relay/event/timer.h"
#include "tests/sim/network.h"
#include "tests/sim/timeline.h"

namespace postrider::event {

using sim::Timeline;
using sim::Wire;
using LoopLife = uv_loop_s::Life;

namespace {

bool runs(const LoopLife& life) {
  return !life.ended && !life.stopped;
}

}  // namespace

// --- Loop ---

Loop::Loop() : loop_(std::make_unique<uv_loop_s>()), wake_(std::make_unique<uv_async_s>()) {}

Result<std::unique_ptr<Loop>> Loop::create() {
  return std::unique_ptr<Loop>(new Loop());
}

Loop::~Loop() {
  drop_posted();
  loop_->life->ended = true;
}

void Loop::post(Task task) {
  posted_.push_back(std::move(task));
  if (posted_.size() > 1) return;
  Timeline& timeline = Timeline::current();
  timeline.after(sim::between(timeline.random(), {}, timeline.post_delay_max),
                 [this, life = loop_->life] {
                   if (runs(*life)) run_posted();
                 });
}

void Loop::run_posted() {
  running_.swap(posted_);
  for (Task& posted : running_) {
    Task task = std::move(posted);
    task();
  }
  running_.clear();
}

void Loop::drop_posted() {
  while (!posted_.empty()) {
    const std::vector<Task> dropped = std::exchange(posted_, {});
  }
}

// --- Timer ---

struct Timer::Handle {
  struct State : std::enable_shared_from_this<State> {
    // One event waits at `queued`; where the deadline has moved behind it, it moves on.
    void queue(TimePoint time) {
      queued = time;
      Timeline::current().at(time, [self = shared_from_this(), time] {
        if (!self->closed && runs(*self->life) && self->queued == time) self->reach(time);
      });
    }

    void reach(TimePoint time) {
      queued = TimePoint::max();
      if (deadline == TimePoint::max()) return;
      if (deadline > time) return queue(deadline);
      deadline = TimePoint::max();
      UniqueFunction<void()> held = std::move(on_fire);
      *in_callback = true;
      held();
      if (!closed) on_fire = std::move(held);
      if (runs(*life)) *in_callback = false;
    }

    std::shared_ptr<LoopLife> life;
    bool* in_callback = nullptr;  // of the loop
    UniqueFunction<void()> on_fire;
    TimePoint deadline = TimePoint::max();
    TimePoint queued = TimePoint::max();
    bool closed = false;
  };

  std::shared_ptr<State> state = std::make_shared<State>();
};

namespace {

void close_timer(auto* handle) {
  if (handle == nullptr) return;
  handle->state->closed = true;
  handle->state->on_fire = {};
  delete handle;
}

}  // namespace

Timer::Timer(Loop& loop, UniqueFunction<void()> on_fire) : handle_(new Handle) {
  handle_->state->life = loop.raw()->life;
  handle_->state->in_callback = &loop.in_timer_callback();
  handle_->state->on_fire = std::move(on_fire);
}

Timer::Timer(Timer&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) close_timer(std::exchange(handle_, std::exchange(other.handle_, nullptr)));
  return *this;
}

Timer::~Timer() {
  close_timer(handle_);
}

void Timer::arm(TimePoint deadline) {
  if (deadline == TimePoint::max()) return disarm();
  Handle::State& state = *handle_->state;
  const Duration soonest = *state.in_callback ? Milliseconds(1) : Milliseconds(0);
  // Whole milliseconds, never early.
  const TimePoint due(std::chrono::ceil<Milliseconds>(deadline.time_since_epoch()));
  state.deadline = std::max(due, Timeline::current().now() + soonest);
  if (state.deadline < state.queued) state.queue(state.deadline);
}

void Timer::disarm() {
  handle_->state->deadline = TimePoint::max();
}

// --- Stream ---

struct Stream::Handle {
  class Line;
  std::shared_ptr<Line> line;
};

// The relay's end of a wire. Callbacks may destroy the Stream, so each holds the line.
class Stream::Handle::Line final : public sim::NearEnd, public std::enable_shared_from_this<Line> {
 public:
  Line(Loop& loop, StreamEvents& user) : loop_(loop), life_(loop.raw()->life), events_(&user) {}

  bool open(const Endpoint& to, const std::optional<IpAddress>& from, Error& error) {
    peer = to;
    local.ip = from.value_or(to.ip.is_v4() ? *IpAddress::parse("192.0.2.1")
                                           : *IpAddress::parse("2001:db8::1"));
    auto wire = sim::Network::current().connect(to.ip, *this);
    if (!wire) {
      error = wire.error();
      return false;
    }
    wire_ = *std::move(wire);
    return true;
  }

  void close() {
    events_ = nullptr;
    pending_.clear();
    wire_->drop();
  }

  void write(std::vector<Chunk> chunks) {
    if (failed_ || finishing_) return;
    for (Chunk& chunk : chunks) {
      if (chunk.empty()) continue;
      unsent_ += chunk.size();
      pending_.push_back(std::move(chunk));
    }
    flush();
    if (unsent_ > 0) owes_drained_ = true;
  }

  void finish() {
    finishing_ = true;
    flush();
  }

  [[nodiscard]] std::size_t unsent() const { return unsent_; }

  void pause() { paused_ = true; }

  // What came meanwhile is told soon.
  void resume() {
    paused_ = false;
    loop_.post([line = shared_from_this()] { line->tell_kept(); });
  }

  // NearEnd
  void on_connected() override {
    if (!lives()) return;
    const auto held = shared_from_this();
    connected_ = true;
    flush();
    events_->on_connected();
    tell_drained();
  }

  void on_data(std::string_view bytes) override {
    if (!lives()) return;
    const auto held = shared_from_this();
    kept_ += bytes;
    tell_kept();
  }

  void on_end() override {
    if (!lives()) return;
    const auto held = shared_from_this();
    end_kept_ = true;
    tell_kept();
  }

  void on_failure(const Error& error) override {
    if (!lives()) return;
    const auto held = shared_from_this();
    failed_ = true;
    pending_.clear();
    unsent_ = 0;
    events_->on_failure(error);
  }

  void on_room() override {
    if (!lives()) return;
    const auto held = shared_from_this();
    flush();
    tell_drained();
  }

  Endpoint peer;
  Endpoint local;

 private:
  [[nodiscard]] bool lives() const { return events_ != nullptr && !failed_ && runs(*life_); }

  void flush() {
    if (!connected_ || failed_) return;
    while (!pending_.empty()) {
      const std::size_t taken = wire_->write(pending_.front().view());
      unsent_ -= taken;
      if (taken < pending_.front().size()) {
        pending_.front() = pending_.front().slice(taken);
        return;
      }
      pending_.pop_front();
    }
    if (finishing_ && !std::exchange(finished_, true)) wire_->finish();
  }

  void tell_drained() {
    if (!lives() || !owes_drained_ || unsent_ > 0) return;
    owes_drained_ = false;
    events_->on_drained();
  }

  void tell_kept() {
    if (!kept_.empty() && lives() && !paused_) events_->on_data(std::exchange(kept_, {}));
    if (end_kept_ && lives() && !paused_) {
      end_kept_ = false;
      events_->on_end();
    }
  }

  Loop& loop_;
  std::shared_ptr<LoopLife> life_;
  StreamEvents* events_;  // null: the Stream is gone
  std::shared_ptr<Wire> wire_;
  std::deque<Chunk> pending_;
  std::size_t unsent_ = 0;
  bool connected_ = false;
  bool failed_ = false;
  bool finishing_ = false;
  bool finished_ = false;
  bool owes_drained_ = false;
  bool paused_ = false;
  std::string kept_;  // came while paused
  bool end_kept_ = false;
};

namespace {

void close_stream(auto* handle) {
  if (handle == nullptr) return;
  handle->line->close();
  delete handle;
}

}  // namespace

Result<Stream> Stream::connect(Loop& loop, const Endpoint& to, const std::optional<IpAddress>& from,
                               StreamEvents& events) {
  auto line = std::make_shared<Handle::Line>(loop, events);
  Error error("");
  if (!line->open(to, from, error)) return failure(error);
  return Stream(new Handle{std::move(line)});
}

Result<Stream> Stream::connect_local(Loop&, const std::string& path, StreamEvents&) {
  return failure("connecting to " + path + ": the simulation has no sockets of a machine");
}

Stream::Stream(Stream&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this != &other) close_stream(std::exchange(handle_, std::exchange(other.handle_, nullptr)));
  return *this;
}

Stream::~Stream() {
  close_stream(handle_);
}

void Stream::write(std::vector<Chunk> chunks) {
  handle_->line->write(std::move(chunks));
}

void Stream::write(std::string bytes) {
  std::vector<Chunk> one;
  one.emplace_back(std::move(bytes));
  handle_->line->write(std::move(one));
}

std::size_t Stream::unsent() const {
  return handle_->line->unsent();
}

void Stream::pause() {
  handle_->line->pause();
}

void Stream::resume() {
  handle_->line->resume();
}

void Stream::finish() {
  handle_->line->finish();
}

const Endpoint& Stream::peer() const {
  return handle_->line->peer;
}

const Endpoint& Stream::local() const {
  return handle_->line->local;
}

}  // namespace postrider::event
