// DataReader: takes the content of a message apart from the stream: removes the dots that were
// stuffed (RFC 5321 section 4.5.2) and finds its end. Written apart from the relay's own codec.
// Thread: one owner.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postrider::bench {

class DataReader {
 public:
  // Begins the next message, of which the first `keep` bytes stay in content().
  void restart(std::size_t keep);

  // Takes bytes up to the end of the content; returns how many were taken. Fewer than given only
  // when done().
  std::size_t receive(std::string_view bytes);

  // The line with the single dot was read. Only CRLF "." CRLF ends a content.
  [[nodiscard]] bool done() const { return place_ == Place::kDone; }

  // Without stuffed dots, with the CRLF of the last line; cut where restart() said.
  [[nodiscard]] const std::string& content() const { return content_; }

  [[nodiscard]] std::size_t size() const { return size_; }

  // There was a CR without LF or an LF without CR.
  [[nodiscard]] bool bare_line_ends() const { return bare_; }

 private:
  enum class Place { kLineStart, kDot, kDotCr, kText, kDone };

  std::size_t receive_text(std::string_view bytes);
  void append(std::string_view bytes);

  Place place_ = Place::kLineStart;
  std::size_t keep_ = 0;
  bool bare_ = false;
  char last_ = '\n';
  std::size_t size_ = 0;
  std::string content_;
};

}  // namespace postrider::bench
