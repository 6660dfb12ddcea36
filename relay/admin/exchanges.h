// Exchanges: the connections of the admin server, one request and one answer each. One thread reads
// and writes all of them without ever waiting for one; a request that is there as a whole goes to a
// few threads that answer it in memory. So a slow peer holds its place and nothing else, and when
// the places run out the one that has not finished its request for longest loses its own. What is
// answered quickly has a thread of its own, and of the rest only a few may wait for theirs.
//
// Private to admin. Thread: any.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "relay/base/clock.h"
#include "relay/base/guarded.h"

namespace postrider::admin {

struct ExchangeLimits {
  // For requests that may take their time, and how many may wait for one.
  std::size_t threads = 2;
  std::size_t waiting_max = 16;
  // Connections accepted and not yet closed.
  std::size_t connections_max = 64;
  // Octets of a request; ours have no body to speak of.
  std::size_t request_bytes_max = 64U << 10;
  // Absolute: from being accepted to the end of the request, and for the whole answer. Dripping
  // octets do not push them back.
  Milliseconds request_deadline{5000};
  Milliseconds answer_deadline{10'000};
  // For a client to close after its answer.
  Milliseconds close_deadline{500};
};

class Exchanges {
 public:
  // The answer to the octets of a request: its header section, and what of a body came with it.
  // Runs on a thread of ours, several at once.
  using Answer = std::function<std::string(std::string request)>;
  // Whether that answer waits for nothing: then the request stands behind no other that may.
  using IsQuick = std::function<bool(std::string_view request)>;

  // The answer to one beyond ExchangeLimits::waiting_max; runs on the thread that reads.
  using Busy = std::function<std::string()>;
  Exchanges(
      ExchangeLimits limits, Answer answer,
      IsQuick is_quick = [](std::string_view) { return false; },
      Busy busy = [] { return std::string(); });
  // interrupt(), then waits.
  ~Exchanges();
  Exchanges(const Exchanges&) = delete;
  Exchanges& operator=(const Exchanges&) = delete;

  // Takes an accepted socket, to close it in the end.
  void adopt(int socket);
  // Requests not read yet end now, and so do those that come later; those being answered are
  // answered, within ExchangeLimits::close_deadline.
  void interrupt();

 private:
  enum class Stage { kReading, kAnswering, kWriting, kClosing };

  struct Peer {
    Stage stage = Stage::kReading;
    std::size_t order = 0;  // of arrival
    TimePoint due;
    std::string bytes;  // of the request, then of the answer
    std::size_t done = 0;
  };

  struct Job {
    int socket;
    std::string bytes;
  };

  // What other threads leave for the one that reads and writes.
  struct Inbox {
    std::vector<int> adopted;
    std::vector<Job> answered;
    bool interrupted = false;
    bool stopping = false;
  };

  struct Requests {
    std::deque<Job> waiting;
    bool stopping = false;
  };

  // A queue before threads of its own.
  struct Lane {
    Guarded<Requests> requests;
    std::condition_variable changed;
  };

  void run();
  void work(Lane& lane);
  void wake();
  // False: it is time to end.
  bool take_inbox();
  void take_place(int socket);
  void make_room();
  void wait_for_any();
  void serve(int socket, short events);
  void read(int socket, Peer& peer);
  // False: too many wait already; the request is as it was.
  bool hand_over(int socket, std::string& request);
  void answer(int socket, Peer& peer, std::string bytes);
  void write(int socket, Peer& peer);
  void drop_unread(int socket, Peer& peer);
  void close_late(TimePoint now);
  void close(int socket);

  const ExchangeLimits limits_;
  const Answer answer_;
  const IsQuick is_quick_;
  const Busy busy_;
  const int wake_;  // eventfd(2)
  Guarded<Inbox> inbox_;
  Lane quick_;
  Lane others_;
  // Of the reading and writing thread.
  std::map<int, Peer> peers_;
  std::size_t arrivals_ = 0;
  bool interrupted_ = false;
  std::vector<std::thread> workers_;
  std::thread thread_;
};

}  // namespace postrider::admin
