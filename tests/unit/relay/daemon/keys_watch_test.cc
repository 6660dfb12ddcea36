#include "relay/daemon/keys_watch.h"

#include <gmock/gmock.h>
#include <thread>

#include "tests/unit/relay/signing/example_keys.h"

namespace postrider::daemon {
namespace {

using signing::kExampleEd25519Key;
using signing::kExampleEd25519Record;
using signing::kExampleRsaKey;
using signing::kExampleRsaRecord;
using testing::HasSubstr;

class KeysWatchTest : public testing::Test {
 protected:
  KeysWatchTest() {
    signing::KeyOptions key;
    key.domain = "a.example";
    key.selector = "s";
    key.key_file = folder_.write("k", kExampleEd25519Key);
    options_.keys = {key};
  }

  void start(Duration interval = Milliseconds(10)) {
    watch_ = std::move(*KeysWatch::start(options_, metrics_, interval));
  }

  std::string record() { return watch_->signer().keys()->find("a.example", "")[0]->key->record(); }

  bool wait_for_reads(const char* result, std::uint64_t count) {
    const auto reads = metrics_.counter(metrics::Metric::kSigningKeysReads, result);
    const TimePoint until = std::chrono::steady_clock::now() + Seconds(20);
    while (reads.value() < count && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(Milliseconds(5));
    }
    return reads.value() >= count;
  }

  signing::KeyFolder folder_;
  signing::Options options_;
  metrics::Registry metrics_;
  std::unique_ptr<KeysWatch> watch_;
};

TEST_F(KeysWatchTest, ReadsTheKeysAtOnceAndFollowsThem) {
  start();
  EXPECT_EQ(record(), kExampleEd25519Record);
  (void)folder_.write("k", kExampleRsaKey);
  ASSERT_TRUE(wait_for_reads("ok", 1));
  EXPECT_EQ(record(), kExampleRsaRecord);
}

TEST_F(KeysWatchTest, ABadKeyLeavesTheOldOne) {
  start();
  (void)folder_.write("k", "damaged");
  ASSERT_TRUE(wait_for_reads("failed", 1));
  EXPECT_EQ(record(), kExampleEd25519Record);
  (void)folder_.write("k", kExampleRsaKey);
  ASSERT_TRUE(wait_for_reads("ok", 1));
  EXPECT_EQ(record(), kExampleRsaRecord);
}

TEST_F(KeysWatchTest, ReadsAgainWhenAsked) {
  start(std::chrono::hours(1));
  watch_->read_again();
  EXPECT_TRUE(wait_for_reads("ok", 1));
}

TEST_F(KeysWatchTest, DoesNotStartWithABadKey) {
  (void)folder_.write("k", "damaged");
  EXPECT_THAT(KeysWatch::start(options_, metrics_).error().text(), HasSubstr("no PEM private key"));
}

TEST_F(KeysWatchTest, WithoutKeysThereIsNothingToWatch) {
  options_.keys.clear();
  start();
  watch_->read_again();
  EXPECT_EQ(watch_->signer().keys()->size(), 0U);
}

}  // namespace
}  // namespace postrider::daemon
