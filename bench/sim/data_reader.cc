#include "bench/sim/data_reader.h"

#include <algorithm>

namespace postrider::bench {

void DataReader::restart(std::size_t keep) {
  place_ = Place::kLineStart;
  keep_ = keep;
  bare_ = false;
  last_ = '\n';
  size_ = 0;
  content_.clear();
}

std::size_t DataReader::receive(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && place_ != Place::kDone) {
    const char c = bytes[at];
    switch (place_) {
      case Place::kLineStart:
        if (c == '.') {
          place_ = Place::kDot;
          ++at;
        } else {
          place_ = Place::kText;
        }
        break;
      case Place::kDot:  // the dot is gone, whatever follows
        if (c == '\r') {
          place_ = Place::kDotCr;
          ++at;
        } else {
          place_ = Place::kText;
        }
        break;
      case Place::kDotCr:
        if (c == '\n') {
          place_ = Place::kDone;
          ++at;
        } else {
          append("\r");
          place_ = Place::kText;
        }
        break;
      default:
        at += receive_text(bytes.substr(at));
    }
  }
  return at;
}

// Takes text to the end of its line.
std::size_t DataReader::receive_text(std::string_view bytes) {
  const std::size_t newline = bytes.find('\n');
  const std::size_t count = newline == bytes.npos ? bytes.size() : newline + 1;
  const char before = count >= 2 ? bytes[count - 2] : last_;
  append(bytes.substr(0, count));
  if (newline != bytes.npos && before == '\r') place_ = Place::kLineStart;
  return count;
}

void DataReader::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (last_ == '\r' && bytes.front() != '\n') bare_ = true;
  for (std::size_t cr = bytes.find('\r'); cr != bytes.npos; cr = bytes.find('\r', cr + 1)) {
    if (cr + 1 < bytes.size() && bytes[cr + 1] != '\n') bare_ = true;
  }
  if (bytes.back() == '\n' && (bytes.size() >= 2 ? bytes[bytes.size() - 2] : last_) != '\r') {
    bare_ = true;
  }
  last_ = bytes.back();
  size_ += bytes.size();
  if (content_.size() < keep_) content_ += bytes.substr(0, keep_ - content_.size());
}

}  // namespace postrider::bench
