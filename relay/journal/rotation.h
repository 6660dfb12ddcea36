// Names of a journal's old files: FILE.1 is the newest, FILE.2.gz and on are compressed. One that
// has not been compressed yet (the process ended before) keeps its number without ".gz".
// Private to this module. Thread: one caller at a time for one file.
#pragma once

#include <string>
#include <vector>

#include "relay/base/result.h"

namespace postrider::journal {

struct Generation {
  unsigned number = 0;
  bool compressed = false;
  std::string path;
};

// The old files of `file`, highest number first. Other files beside it are none, whatever their
// ending: a number has one to four digits and no leading zero. Empty when the folder cannot be
// read.
std::vector<Generation> list_generations(const std::string& file);

// Raises the number of every old file by one, removes those beyond `keep` (at least 1), and makes
// `file` number 1. After an error `file` is where it was; numbers may have gaps, nothing is
// overwritten.
Result<void> shift_generations(const std::string& file, unsigned keep);

}  // namespace postrider::journal
