#include "relay/delivery/text_loader.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <optional>

#include "queue/keys.h"
#include "tests/unit/relay/delivery/delivery_fixture.h"

namespace postrider::delivery {
namespace {

using metrics::Metric;

class TextLoaderTest : public DeliveryTest {
 protected:
  TextLoaderTest() {
    queue_options_.lease_bytes_max = 0;
    open();
  }

  ~TextLoaderTest() override { lease_ = {}; }

  // Loads it; the most octets of texts that were in memory meanwhile.
  std::uint64_t load(queue::Lease lease) {
    text_.reset();
    load_text(*queue_, *loop_, std::move(lease),
              [this](queue::Lease loaded, Result<std::optional<smtp::TextFacts>> text) {
                lease_ = std::move(loaded);
                text_ = std::move(text);
              });
    std::uint64_t most = 0;
    EXPECT_TRUE(run_until([&] {
      most = std::max(most, queue_->stats().lease_bytes);
      return text_.has_value();
    }));
    return most;
  }

  queue::Lease lease_;
  std::optional<Result<std::optional<smtp::TextFacts>>> text_;
};

TEST_F(TextLoaderTest, ATextOfOnePieceIsLoaded) {
  const std::string text = lines(queue::Queue::kPieceSize);
  load(lease_of({.text = text}));
  ASSERT_TRUE(text_ && *text_);
  EXPECT_FALSE(**text_);
  ASSERT_TRUE(lease_.body());
  EXPECT_TRUE(lease_.body()->to_string() == text);
}

TEST_F(TextLoaderTest, ALargerOneIsReadThroughAndNotKept) {
  const std::string text = lines(queue::Queue::kPieceSize * 5 + 2);
  EXPECT_LE(load(lease_of({.text = text})), queue::Queue::kPieceSize);
  ASSERT_TRUE(text_ && *text_ && **text_);
  EXPECT_FALSE(lease_.body());
  const smtp::TextFacts& facts = ***text_;
  EXPECT_EQ(facts.size, text.size());
  EXPECT_TRUE(facts.seven_bit && facts.canonical && facts.ends_line);
  EXPECT_EQ(queue_->stats().lease_bytes, 0U);
}

// The number of its pieces does not follow from its octets alone.
TEST_F(TextLoaderTest, OneThatWasWrittenWhileItArrivedIsReadToItsEnd) {
  constexpr std::size_t kPiece = queue::Queue::kPieceSize;
  std::vector<queue::Lease> held;
  for (const auto& [size, front] : {std::pair{2 * kPiece, std::size_t{10}},
                                    std::pair{5 * kPiece, queue::OpenBody::kFrontMax}}) {
    load(lease_of({.text = lines(size), .front = front}));
    ASSERT_TRUE(text_ && *text_ && **text_);
    EXPECT_EQ((***text_).size, size);
    held.push_back(std::move(lease_));
  }
}

TEST_F(TextLoaderTest, KnowsWhatIsFarBehind) {
  const std::string text = lines(queue::Queue::kPieceSize * 2) + "\xc3\xa4";
  load(lease_of({.text = text}));
  ASSERT_TRUE(text_ && *text_ && **text_);
  EXPECT_FALSE((***text_).seven_bit);
  EXPECT_FALSE((***text_).ends_line);
}

TEST_F(TextLoaderTest, ADamagedOneIsCondemned) {
  for (const std::size_t pieces : {1U, 3U}) {
    queue::Lease lease = lease_of({.text = lines(queue::Queue::kPieceSize * pieces)});
    store_.damage(queue::body_key(lease.message().id, 2));
    load(std::move(lease));
    ASSERT_TRUE(text_);
    EXPECT_FALSE(*text_);
    lease_ = {};
    EXPECT_TRUE(run_until([&] { return counted(Metric::kQueueQuarantined) >= 1; }));
  }
  EXPECT_TRUE(run_until([&] { return counted(Metric::kQueueQuarantined) == 2; }));
}

TEST_F(TextLoaderTest, ADiskThatFailsCondemnsNothing) {
  queue::Lease lease = lease_of({.text = lines(queue::Queue::kPieceSize * 3)});
  store_.set_fault([](std::string_view call, std::uint64_t) { return call == "get"; });
  load(std::move(lease));
  store_.set_fault({});
  ASSERT_TRUE(text_);
  EXPECT_FALSE(*text_);
  load(std::move(lease_));
  EXPECT_TRUE(*text_);
  EXPECT_EQ(counted(Metric::kQueueQuarantined), 0U);
}

}  // namespace
}  // namespace postrider::delivery
