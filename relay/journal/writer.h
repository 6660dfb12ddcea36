// The journal file: appends lines, reopens, rotates by size, keeps a number of old files.
//
// A journal that cannot be written never stops mail: the lines are dropped, counted and said once
// in the log. Rotation renames FILE to FILE.1, FILE.1 to FILE.2.gz, ... compressing all but the
// newest, on a thread of the writer's own: no call waits for it. Rotation waits until the last
// compression has ended, so a file may pass its size; a compression that the end of the process
// cuts off is done again by the next writer. Thread: any (calls are serialised; a call blocks for
// the write, so it is made from the commit thread, never from a loop).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "relay/base/result.h"

namespace postrider::journal {

struct Options {
  // Empty: no journal is written.
  std::string file;
  // Rotate when the file has passed this many octets; 0: never (an outside tool renames, SIGHUP
  // reopens).
  std::uint64_t rotate_size = 256ULL << 20;
  // Old files kept after rotation; 0: the file is emptied instead.
  unsigned keep = 10;
};

class Writer {
 public:
  // Opens (creates, mode 0640) the file for appending; a torn last line of an earlier crash is
  // ended with a newline. Fails when the file cannot be opened. A pipe or a device may stand in a
  // file's place: it is never rotated, and a full pipe drops lines.
  static Result<std::unique_ptr<Writer>> open(Options options);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Appends whole lines with one write(2) where the kernel takes it. A short write is completed or,
  // if that fails, the file is cut back to the last whole line and the rest counted as dropped.
  // `lines` is empty or ends in "\n".
  void append(std::string_view lines);
  // Closes and opens the file of the same name again (after an outside rename). Where that fails
  // the log says so, and the file open so far is written on.
  void reopen();
  // Waits until what was appended to the current file is on the disk: what a power cut may take is
  // what came after the last call. A failure is said in the log. Other calls do not wait for it.
  void sync();

  // Lines lost to write errors since open.
  [[nodiscard]] std::uint64_t dropped_lines() const;

 private:
  struct State;
  explicit Writer(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace postrider::journal
