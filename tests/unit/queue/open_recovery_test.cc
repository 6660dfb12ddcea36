#include "queue/open_recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/queue/fsck.h"
#include "tests/unit/queue/world.h"

namespace postrider::queue {
namespace {

using ::testing::IsEmpty;

class OpenRecovery : public ::testing::Test {
 protected:
  // As a process leaves it that dies while so many bodies are being written.
  void die_writing(int bodies, std::size_t parts) {
    std::vector<OpenBody> open;
    for (int i = 0; i < bodies; ++i) {
      open.push_back(world_.open_body(world_.core->ids.next()));
      for (std::size_t part = 0; part < parts; ++part) {
        EXPECT_EQ(world_.append(open.back(), std::string(OpenBody::kPartUnit, 'x')),
                  Refusal::kNone);
      }
    }
    open.clear();
    world_.kill();
  }

  void mark(const MessageId& id) {
    const auto batch = world_.store.new_batch();
    const std::string key = open_key(id);
    batch->put(key, encode_mark(key));
    ASSERT_TRUE(world_.store.write(*batch, true));
  }

  // A message with a front, as a repair may leave it: its mark is back. The queue is closed.
  MessageId die_with_marked_message(std::string& text) {
    Submission submission = world_.large_message(text, 5);
    const MessageId id = submission.id;
    EXPECT_EQ(world_.submit(std::move(submission)), Refusal::kNone);
    world_.close();
    mark(id);
    return id;
  }

  World world_;
};

TEST_F(OpenRecovery, AStartErasesWhatWasBeingWritten) {
  die_writing(3, 5);
  EXPECT_EQ(world_.store.size(), World::kEmptyStore + 3 * (5 + 1));
  world_.open();
  EXPECT_EQ(world_.store.size(), World::kEmptyStore);
  EXPECT_EQ(world_.core->stats().bytes, 0U);
}

TEST_F(OpenRecovery, IsDoneAgainWhereItWasCutShort) {
  for (const char* call : {"write", "get", "scan"}) {
    die_writing(2, 3);
    ASSERT_TRUE(world_.store.reopen());
    for (int nth = 1; nth <= 2; ++nth) {
      world_.fail(call, nth);
      static_cast<void>(erase_open_bodies(world_.store));
      world_.repair_store();
      ASSERT_TRUE(world_.store.reopen());
    }
    world_.open();
    EXPECT_EQ(world_.store.size(), World::kEmptyStore) << call;
  }
}

TEST_F(OpenRecovery, APowerLossBringsNothingBackForGood) {
  die_writing(2, 3);
  world_.open();
  world_.lose_power();
  world_.open();
  EXPECT_EQ(world_.store.size(), World::kEmptyStore);
}

// A mark may come back by a repair.
TEST_F(OpenRecovery, OfAMessageThatExistsOnlyTheMarkIsErased) {
  std::string text;
  die_with_marked_message(text);
  world_.open();
  EXPECT_THAT(Fsck::check(world_.store), IsEmpty());
  world_.settle();
  EXPECT_TRUE(world_.read_pieces(world_.take()) == text);
}

// Its message record is lost, and may be found again by whoever looks.
TEST_F(OpenRecovery, NorIsThatOfADelivery) {
  std::string text;
  const MessageId id = die_with_marked_message(text);
  const auto batch = world_.store.new_batch();
  batch->erase(message_key(id));
  ASSERT_TRUE(world_.store.write(*batch, true));
  world_.open();
  EXPECT_FALSE(*world_.store.get(open_key(id)));
  EXPECT_TRUE(*world_.store.get(body_key(id, 5)));
}

TEST_F(OpenRecovery, DamageAmongThemIsRepairedAtOnce) {
  const MessageId id = world_.core->ids.next();
  OpenBody body = world_.open_body(id);
  EXPECT_EQ(world_.append(body, std::string(3 * OpenBody::kPartUnit, 'x')), Refusal::kNone);
  world_.core->waiting.lock()->closed = true;
  body = {};
  world_.kill();
  world_.store.damage(body_key(id, 2));
  world_.open();
  EXPECT_EQ(world_.store.size(), World::kEmptyStore);
}

}  // namespace
}  // namespace postrider::queue
