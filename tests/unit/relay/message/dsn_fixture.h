// The little language of the tests of reports: facts, what is built from them, and its parts.
#pragma once

#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <vector>

#include "relay/message/dsn.h"

namespace postrider::message {

inline constexpr WallTime kNow{Milliseconds(1795299303123)};
inline constexpr char kOriginal[] =
    "Received: from a by b\r\nFrom: me@here.example\r\nSubject: hello\r\n\r\nthe body\r\n";

inline std::string unfolded(std::string text) {
  for (std::size_t i = text.find("\r\n "); i != std::string::npos; i = text.find("\r\n ")) {
    text.erase(i, 2);
  }
  return text;
}

// Running text again: blanks and line ends as one space.
inline std::string joined(const std::string& text) {
  std::istringstream words(text);
  std::string out;
  for (std::string word; words >> word;) out += word + ' ';
  return out;
}

// The lines between delimiters of a report, as RFC 2046 section 5.1.1 cuts them; header first.
inline std::vector<std::string> split_parts(const std::string& report) {
  const std::size_t start = report.find("boundary=\"") + 10;
  const std::string delimiter = "\r\n--" + report.substr(start, report.find('"', start) - start);
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (std::size_t i = report.find(delimiter); i != std::string::npos;
       i = report.find(delimiter, from)) {
    parts.push_back(report.substr(from, i - from));
    from = i + delimiter.size();
  }
  EXPECT_EQ(report.substr(from), "--\r\n");
  return parts;
}

inline std::string content(const std::string& part) {
  return part.substr(part.find("\r\n\r\n") + 4);
}

inline void expect_wire_lines(const std::string& report) {
  EXPECT_TRUE(report.ends_with("\r\n"));
  std::string_view rest = report;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    EXPECT_LE(line.size(), 998U) << line;
    EXPECT_EQ(line.find_first_of(std::string_view("\r\n\0", 3)), std::string_view::npos) << line;
    rest.remove_prefix(line.size() + 2);
  }
}

class DsnFixture : public ::testing::Test {
 protected:
  DsnFixture() {
    facts_.reporting_mta = "relay.example";
    facts_.message_id = "0011aabb";
    facts_.envelope.sender = {"me", "here.example"};
    facts_.arrived = kNow - Seconds(3600);
    facts_.now = kNow;
  }

  DsnRecipient& add(std::string_view local, DsnAction action, Status status,
                    std::string_view remote = "mx.there.example") {
    DsnRecipient one;
    one.recipient.address = {std::string(local), "there.example"};
    one.action = action;
    one.status = std::move(status);
    one.remote_mta = remote;
    facts_.recipients.push_back(std::move(one));
    return facts_.recipients.back();
  }

  DsnRecipient& add_failed(std::string_view local = "bob") {
    return add(local, DsnAction::kFailed, {550, {5, 1, 1}, "No such user"});
  }

  // The report; its lines are checked each time.
  std::string build(const Body& original = Body(kOriginal)) {
    body_ = build_dsn(facts_, original, full_max_, random_);
    std::string report = body_.to_string();
    expect_wire_lines(report);
    return report;
  }

  std::string header() { return unfolded(split_parts(build()).at(0)); }

  std::string text() { return content(split_parts(build()).at(1)); }

  std::string fields() { return unfolded(content(split_parts(build()).at(2))); }

  std::string returned(const Body& original = Body(kOriginal)) {
    return split_parts(build(original)).at(3);
  }

  DsnFacts facts_;
  Body body_;
  std::size_t full_max_ = 100'000;
  SeededRandom random_{1};
};

}  // namespace postrider::message
