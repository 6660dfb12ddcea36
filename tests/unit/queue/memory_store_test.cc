#include "queue/memory_store.h"

#include <gtest/gtest.h>

namespace postrider::queue {
namespace {

void put(Store& store, std::string_view key, std::string_view value, bool sync = true) {
  const auto batch = store.new_batch();
  batch->put(key, value);
  ASSERT_TRUE(store.write(*batch, sync));
}

std::string read(Store& store, std::string_view key) {
  const auto value = store.get(key);
  if (!value) return "<error>";
  return *value ? std::string((*value)->view()) : "<none>";
}

std::string walk(Cursor& cursor) {
  std::string all;
  for (; cursor.valid(); cursor.next()) {
    all += std::string(cursor.key()) + "=" + std::string(cursor.value()) + " ";
  }
  return all;
}

TEST(MemoryStore, LastChangeOfABatchStands) {
  MemoryStore store;
  const auto batch = store.new_batch();
  batch->erase("a");
  batch->put("a", std::vector<std::string_view>{"1", "2"});
  batch->put("b", "x");
  batch->erase("b");
  ASSERT_TRUE(store.write(*batch, true));
  EXPECT_EQ(read(store, "a"), "12");
  EXPECT_EQ(read(store, "b"), "<none>");
  EXPECT_EQ(store.size(), 1U);
}

TEST(MemoryStore, CursorsSeeTheStoreAsItWas) {
  MemoryStore store;
  put(store, "a", "1");
  put(store, "b", "1");
  const auto cursor = store.scan("a", "z");
  put(store, "b", "2");
  put(store, "c", "2");
  const auto batch = store.new_batch();
  batch->erase("a");
  ASSERT_TRUE(store.write(*batch, true));
  EXPECT_EQ(walk(*cursor), "a=1 b=1 ");
  EXPECT_EQ(walk(*store.scan("a", "z")), "b=2 c=2 ");
}

TEST(MemoryStore, CursorsKeepTheirBounds) {
  MemoryStore store;
  for (const char* key : {"a", "b", "c", "d"}) put(store, key, "");
  EXPECT_EQ(walk(*store.scan("b", "d")), "b= c= ");
  const auto cursor = store.scan("b", "d");
  cursor->seek("a");
  EXPECT_EQ(cursor->key(), "b");
  cursor->seek("d");
  EXPECT_FALSE(cursor->valid());
}

TEST(MemoryStore, PowerLossTakesWhatWasNotSynced) {
  MemoryStore store;
  put(store, "a", "1", true);
  put(store, "a", "2", false);
  put(store, "b", "2", false);
  store.lose_power();
  EXPECT_EQ(read(store, "a"), "1");
  EXPECT_EQ(read(store, "b"), "<none>");
  put(store, "b", "3", false);
  put(store, "c", "3", true);
  store.lose_power();
  EXPECT_EQ(read(store, "b"), "3");
}

TEST(MemoryStore, FailsWhereItIsTold) {
  MemoryStore store;
  put(store, "a", "1");
  for (const std::string call : {"write", "sync", "get", "scan"}) {
    store.set_fault([&](std::string_view made, std::uint64_t) { return made == call; });
    const auto batch = store.new_batch();
    batch->put("a", "2");
    EXPECT_EQ(store.write(*batch, true).has_value(), call == "get" || call == "scan") << call;
    EXPECT_EQ(store.get("a").has_value(), call != "get") << call;
    EXPECT_EQ(store.scan("a", "b")->status().has_value(), call != "scan") << call;
    ASSERT_TRUE(store.reopen());
  }
}

TEST(MemoryStore, AFailedWriteLeavesNothingAFailedSyncAll) {
  MemoryStore store;
  const auto batch = store.new_batch();
  batch->put("a", "1");
  store.set_fault([](std::string_view made, std::uint64_t) { return made == "write"; });
  EXPECT_FALSE(store.write(*batch, true));
  EXPECT_EQ(read(store, "a"), "<none>");
  ASSERT_TRUE(store.reopen());
  store.set_fault([](std::string_view made, std::uint64_t) { return made == "sync"; });
  EXPECT_FALSE(store.write(*batch, true));
  EXPECT_EQ(read(store, "a"), "1");
  store.lose_power();
  EXPECT_EQ(read(store, "a"), "<none>");
}

TEST(MemoryStore, AFailedWriteLatchesUntilItIsReopened) {
  MemoryStore store;
  put(store, "a", "1", true);
  put(store, "b", "2", false);
  store.set_fault([](std::string_view call, std::uint64_t) { return call == "sync"; });
  const auto batch = store.new_batch();
  batch->put("c", "3");
  EXPECT_FALSE(store.write(*batch, true));
  store.set_fault({});
  EXPECT_FALSE(store.write(*batch, true));
  store.lose_on_reopen(1);
  ASSERT_TRUE(store.reopen());
  EXPECT_TRUE(store.write(*store.new_batch(), true));
  store.lose_power();  // what was found is on stable storage
  EXPECT_EQ(store.size(), 2U);
}

TEST(MemoryStore, ValuesOutliveTheirKey) {
  MemoryStore store;
  put(store, "a", "1");
  const auto value = store.get("a");
  put(store, "a", "2");
  EXPECT_EQ((*value)->view(), "1");
}

}  // namespace
}  // namespace postrider::queue
