#include "relay/submission/body_writer.h"

#include <gmock/gmock.h>

#include "tests/unit/relay/signing/example_keys.h"
#include "tests/unit/relay/submission/submission_fixture.h"

namespace postrider::submission {
namespace {

using queue::Refusal;
using testing::ElementsAre;
using testing::Pair;

constexpr std::size_t kBlock = BodyWriter::kBlockSize;
constexpr std::size_t kPart = BodyWriter::kPartSize;

class BodyWriterTest : public SubmissionTest {
 protected:
  void begin() {
    writer_ = std::make_shared<BodyWriter>(
        *shared_, queue_->next_id(), [this](Task task) { loop_->post(std::move(task)); },
        [this](std::size_t octets, Refusal refusal) { answers_.emplace_back(octets, refusal); });
  }

  // That many blocks of lines, each block another.
  message::Body blocks(std::size_t count) {
    message::Body body;
    for (std::size_t i = 0; i < count; ++i) {
      std::string block;
      while (block.size() < kBlock) block += "block  " + std::to_string(made_) + " \r\n";
      block.resize(kBlock);
      ++made_;
      text_ += block;
      body.append(Chunk(std::move(block)));
    }
    return body;
  }

  void add(std::size_t count) { writer_->add(blocks(count)); }

  bool run_until_idle() {
    return run_until([&] { return !writer_->is_busy(); });
  }

  std::shared_ptr<BodyWriter> writer_;
  std::vector<std::pair<std::size_t, Refusal>> answers_;
  std::size_t made_ = 0;
  std::string text_;  // all that was made
};

TEST_F(BodyWriterTest, WritesAPartOnceItIsGathered) {
  open();
  begin();
  add(3);
  EXPECT_FALSE(writer_->is_busy());
  EXPECT_EQ(writer_->deadline(), TimePoint::max());
  add(1);
  EXPECT_TRUE(writer_->is_busy());
  EXPECT_LE(writer_->deadline(), clock_.now() + BodyWriter::kPartDeadline);
  ASSERT_TRUE(run_until_idle());
  EXPECT_THAT(answers_, ElementsAre(Pair(kPart, Refusal::kNone)));
  EXPECT_EQ(writer_->deadline(), TimePoint::max());
  add(2);
  BodyWriter::Text text = writer_->take();
  EXPECT_EQ(text.opened.size(), kPart);
  EXPECT_EQ(text.rest.to_string(), text_.substr(kPart));
  EXPECT_FALSE(text.digests.valid());
}

TEST_F(BodyWriterTest, OnePartIsUnderWayAndOneGathered) {
  open();
  begin();
  hold_store();
  add(4);
  add(3);
  EXPECT_FALSE(writer_->is_behind());
  add(1);
  EXPECT_TRUE(writer_->is_behind());
  add(1);  // what a read brought besides
  EXPECT_TRUE(answers_.empty());
  release_store();
  ASSERT_TRUE(run_until([&] { return !writer_->is_behind(); }));
  ASSERT_TRUE(run_until_idle());
  EXPECT_THAT(answers_,
              ElementsAre(Pair(kPart, Refusal::kNone), Pair(kPart + kBlock, Refusal::kNone)));
  EXPECT_EQ(writer_->take().opened.size(), text_.size());
}

TEST_F(BodyWriterTest, ARefusalIsTold) {
  open();
  begin();
  store_.set_fault([](std::string_view call, std::uint64_t) { return call == "write"; });
  add(4);
  ASSERT_TRUE(run_until([&] { return !answers_.empty(); }));
  EXPECT_THAT(answers_, ElementsAre(Pair(0, Refusal::kStoreFailed)));
}

TEST_F(BodyWriterTest, AnswersThatComeTooLateFindNobody) {
  open();
  begin();
  hold_store();
  add(8);
  ASSERT_TRUE(run_until_held());
  writer_.reset();
  release_store();
  EXPECT_TRUE(run_until_erased());
  turn(5);
  EXPECT_TRUE(answers_.empty());
}

class SigningBodyWriterTest : public BodyWriterTest {
 protected:
  SigningBodyWriterTest() {
    signing::KeyOptions key;
    key.domain = "from.example";
    key.selector = "ed";
    key.key_file = folder_.write("ed", signing::kExampleEd25519Key);
    signing_options_.keys.push_back(key);
  }

  signing::KeyFolder folder_;
};

TEST_F(SigningBodyWriterTest, PartsAreHashedMeanwhile) {
  open();
  begin();
  for (int i = 0; i < 3; ++i) {
    add(4);
    ASSERT_TRUE(run_until_idle());
  }
  signing::BodyDigests hashed = writer_->take().digests;
  ASSERT_TRUE(hashed.valid());
  hashed.finish();
  signing::BodyDigests whole({signing::Canonical::kRelaxed});
  whole.feed(message::Body(text_));
  whole.finish();
  EXPECT_EQ(*hashed.of(signing::Canonical::kRelaxed), *whole.of(signing::Canonical::kRelaxed));
  EXPECT_EQ(hashed.of(signing::Canonical::kSimple), nullptr);
}

// A part that is only written, or only hashed, is under way.
TEST_F(SigningBodyWriterTest, BothAreWaitedFor) {
  signing_options_.threads = 1;
  open();
  begin();
  hold_store();
  add(4);
  ASSERT_TRUE(run_until_held());
  std::promise<void> behind;  // the one thread takes one after another
  shared_->signer.digest({{}, {}, [&](const signing::BodyDigests&) { behind.set_value(); }});
  behind.get_future().wait();
  turn(5);
  EXPECT_TRUE(writer_->is_busy());
  EXPECT_TRUE(answers_.empty());
  release_store();
  EXPECT_TRUE(run_until_idle());
}

TEST_F(SigningBodyWriterTest, TheEndOfTheSignerIsARefusal) {
  signing_options_.threads = 1;
  open();
  begin();
  std::promise<void> entered;
  std::promise<void> released;
  shared_->signer.digest({{}, {}, [&](const signing::BodyDigests&) {
                            entered.set_value();
                            released.get_future().wait();
                          }});
  entered.get_future().wait();
  add(4);
  std::thread end([&] { signer_.reset(); });
  ASSERT_TRUE(run_until([&] { return !answers_.empty(); }));
  EXPECT_THAT(answers_, ElementsAre(Pair(0, Refusal::kStopping)));
  released.set_value();
  end.join();
  writer_.reset();
}

}  // namespace
}  // namespace postrider::submission
