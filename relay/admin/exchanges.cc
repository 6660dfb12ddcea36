#include "relay/admin/exchanges.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "relay/base/check.h"

namespace postrider::admin {

namespace {

TimePoint now() {
  return std::chrono::steady_clock::now();
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

Exchanges::Exchanges(ExchangeLimits limits, Answer answer, IsQuick is_quick, Busy busy)
    : limits_(limits),
      answer_(std::move(answer)),
      is_quick_(std::move(is_quick)),
      busy_(std::move(busy)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  PR_CHECK(wake_ >= 0, "eventfd");
  workers_.emplace_back([this] { work(quick_); });
  for (std::size_t i = 0; i < limits_.threads; ++i)
    workers_.emplace_back([this] { work(others_); });
  thread_ = std::thread([this] { run(); });
}

Exchanges::~Exchanges() {
  {
    auto inbox = inbox_.lock();
    inbox->interrupted = true;
    inbox->stopping = true;
  }
  wake();
  thread_.join();
  for (Lane* lane : {&quick_, &others_}) {
    lane->requests.lock()->stopping = true;
    lane->changed.notify_all();
  }
  for (std::thread& worker : workers_) worker.join();
  ::close(wake_);
}

void Exchanges::adopt(int socket) {
  inbox_.lock()->adopted.push_back(socket);
  wake();
}

void Exchanges::interrupt() {
  inbox_.lock()->interrupted = true;
  wake();
}

void Exchanges::wake() {
  const std::uint64_t one = 1;
  // It fails only where it is set already.
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
}

// --- The threads that answer ---

void Exchanges::work(Lane& lane) {
  for (;;) {
    Job job{};
    {
      auto requests = lane.requests.lock();
      lane.changed.wait(requests.mutex_lock(),
                        [&] { return requests->stopping || !requests->waiting.empty(); });
      if (requests->waiting.empty()) return;
      job = std::move(requests->waiting.front());
      requests->waiting.pop_front();
    }
    job.bytes = answer_(std::move(job.bytes));
    inbox_.lock()->answered.push_back(std::move(job));
    wake();
  }
}

// --- The thread that reads and writes ---

void Exchanges::run() {
  while (take_inbox()) {
    wait_for_any();
    close_late(now());
  }
}

bool Exchanges::take_inbox() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_, &count, sizeof count);
  std::vector<int> adopted;
  std::vector<Job> answered;
  bool stopping = false;
  {
    auto inbox = inbox_.lock();
    adopted.swap(inbox->adopted);
    answered.swap(inbox->answered);
    stopping = inbox->stopping;
    interrupted_ = inbox->interrupted;
  }
  const TimePoint time = now();
  for (const int socket : adopted) take_place(socket);
  for (Job& job : answered) answer(job.socket, peers_.at(job.socket), std::move(job.bytes));
  if (interrupted_) {
    const TimePoint soon = time + limits_.close_deadline;
    for (auto& [socket, peer] : peers_) {
      if (peer.stage == Stage::kReading || peer.stage == Stage::kClosing) peer.due = time;
      if (peer.stage == Stage::kWriting) peer.due = std::min(peer.due, soon);
    }
    close_late(time);
  }
  return !stopping || !peers_.empty();
}

void Exchanges::take_place(int socket) {
  if (peers_.size() >= limits_.connections_max) make_room();
  if (interrupted_ || peers_.size() >= limits_.connections_max) {
    ::close(socket);
    return;
  }
  Peer& peer = peers_[socket];
  peer.order = arrivals_++;
  peer.due = now() + limits_.request_deadline;
}

// Whoever has been at its request, or at closing, for longest goes. None such: everyone there is
// about to be answered.
void Exchanges::make_room() {
  auto oldest = peers_.end();
  for (auto it = peers_.begin(); it != peers_.end(); ++it) {
    const Stage stage = it->second.stage;
    if (stage != Stage::kReading && stage != Stage::kClosing) continue;
    if (oldest == peers_.end() || it->second.order < oldest->second.order) oldest = it;
  }
  if (oldest != peers_.end()) close(oldest->first);
}

void Exchanges::wait_for_any() {
  std::vector<pollfd> polled{{wake_, POLLIN, 0}};
  TimePoint soonest = TimePoint::max();
  for (const auto& [socket, peer] : peers_) {
    if (peer.stage == Stage::kAnswering) continue;
    const short wanted = peer.stage == Stage::kWriting ? POLLOUT : POLLIN;
    polled.push_back({socket, wanted, 0});
    soonest = std::min(soonest, peer.due);
  }
  int wait = -1;
  if (soonest != TimePoint::max()) {
    const auto left = std::chrono::ceil<Milliseconds>(soonest - now()).count();
    wait = static_cast<int>(std::max<std::int64_t>(left, 0));
  }
  if (::poll(polled.data(), polled.size(), wait) <= 0) return;
  for (auto it = polled.begin() + 1; it != polled.end(); ++it) {
    if (it->revents != 0) serve(it->fd, it->revents);
  }
}

void Exchanges::serve(int socket, short events) {
  Peer& peer = peers_.at(socket);
  if (peer.stage == Stage::kReading) return read(socket, peer);
  if (peer.stage == Stage::kClosing) return drop_unread(socket, peer);
  if ((events & (POLLERR | POLLHUP)) != 0) return close(socket);
  write(socket, peer);
}

void Exchanges::read(int socket, Peer& peer) {
  std::array<char, 4096> buffer{};
  const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0 && would_block(errno)) return;
  if (count <= 0) return close(socket);
  // The end may lie across two reads.
  const std::size_t from = peer.bytes.size() < 3 ? 0 : peer.bytes.size() - 3;
  peer.bytes.append(buffer.data(), static_cast<std::size_t>(count));
  // What is too long is answered as what it is: a request without an end.
  if (peer.bytes.find("\r\n\r\n", from) == std::string::npos &&
      peer.bytes.size() < limits_.request_bytes_max) {
    return;
  }
  if (!hand_over(socket, peer.bytes)) return answer(socket, peer, busy_());
  peer.stage = Stage::kAnswering;
  peer.due = TimePoint::max();
  peer.bytes = {};
}

bool Exchanges::hand_over(int socket, std::string& request) {
  const bool is_quick = is_quick_(request);
  Lane& lane = is_quick ? quick_ : others_;
  auto requests = lane.requests.lock();
  if (!is_quick && requests->waiting.size() >= limits_.waiting_max) return false;
  requests->waiting.push_back({socket, std::move(request)});
  lane.changed.notify_one();
  return true;
}

void Exchanges::answer(int socket, Peer& peer, std::string bytes) {
  const auto wait = interrupted_ ? limits_.close_deadline : limits_.answer_deadline;
  peer = {Stage::kWriting, peer.order, now() + wait, std::move(bytes), 0};
  write(socket, peer);
}

void Exchanges::write(int socket, Peer& peer) {
  while (peer.done < peer.bytes.size()) {
    const ssize_t count = ::send(socket, peer.bytes.data() + peer.done,
                                 peer.bytes.size() - peer.done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && would_block(errno)) return;
    if (count < 0) return close(socket);
    peer.done += static_cast<std::size_t>(count);
  }
  // Tells the client that the answer is over and lets it close first: a close with octets unread
  // would destroy the answer on its way.
  ::shutdown(socket, SHUT_WR);
  peer = {Stage::kClosing, peer.order, now() + limits_.close_deadline, {}, 0};
}

void Exchanges::drop_unread(int socket, Peer& peer) {
  std::array<char, 4096> buffer{};
  const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count < 0 && would_block(errno)) return;
  if (count <= 0) return close(socket);
  peer.done += static_cast<std::size_t>(count);
  if (peer.done > limits_.request_bytes_max) close(socket);
}

void Exchanges::close_late(TimePoint now) {
  for (auto it = peers_.begin(); it != peers_.end();) {
    const int socket = it->first;
    const bool late = it->second.due <= now;
    ++it;
    if (late) close(socket);
  }
}

void Exchanges::close(int socket) {
  peers_.erase(socket);
  ::close(socket);
}

}  // namespace postrider::admin
