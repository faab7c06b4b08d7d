// The store in memory.
#include <gtest/gtest.h>

#include "kv/blocks.h"
#include "kv/store.h"

namespace kvlink::kv {
namespace {

using namespace ::kvlink::testing;  // NOLINT: the tests' own words

TEST(MemoryStore, KeepsAndForgets) {
  const std::unique_ptr<BlockStore> store = NewMemoryStore();
  EXPECT_EQ(store->Get(IdOf(1)).code(), StatusCode::kNotFound);
  const auto block = MakeBlock(1);
  EXPECT_TRUE(store->Put(block).ok());
  EXPECT_TRUE(store->Put(MakeBlock(1)).ok());
  const auto got = store->Get(IdOf(1));
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->get(), block.get());  // the first one, not a copy
  EXPECT_TRUE(store->Contains(IdOf(1)));
  EXPECT_TRUE(store->SetPinned(IdOf(1), true).ok());
  EXPECT_EQ(store->SetPinned(IdOf(2), true).code(), StatusCode::kNotFound);
  EXPECT_TRUE(store->Remove(IdOf(1)).ok());
  EXPECT_EQ(store->Remove(IdOf(1)).code(), StatusCode::kNotFound);
  EXPECT_FALSE(store->Contains(IdOf(1)));
  const StoreCounters counters = store->counters();
  EXPECT_EQ(counters.hits, 1);
  EXPECT_EQ(counters.misses, 1);
  EXPECT_EQ(counters.puts, 1);
}

TEST(MemoryStore, KeepsItsBudget) {
  const int64_t size = static_cast<int64_t>(MakeBlock(1)->image().size());
  const std::unique_ptr<BlockStore> store = NewMemoryStore(2 * size);
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  ASSERT_TRUE(store->Put(MakeBlock(2)).ok());
  ASSERT_TRUE(store->Get(IdOf(1)).ok());  // 2 is now the oldest
  ASSERT_TRUE(store->Put(MakeBlock(3)).ok());
  EXPECT_TRUE(store->Contains(IdOf(1)));
  EXPECT_FALSE(store->Contains(IdOf(2)));
  EXPECT_EQ(store->counters().evicted, 1);
  ASSERT_TRUE(store->SetPinned(IdOf(1), true).ok());
  ASSERT_TRUE(store->SetPinned(IdOf(3), true).ok());
  EXPECT_EQ(store->Put(MakeBlock(4)).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(store->Contains(IdOf(1)));
  EXPECT_TRUE(store->Contains(IdOf(3)));
}

}  // namespace
}  // namespace kvlink::kv
