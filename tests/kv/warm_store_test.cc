// The warm tier: what is kept, what is pushed out, and that it never outlives a Remove.
#include "kv/warm_store.h"

#include <gtest/gtest.h>

namespace kvlink::kv {
namespace {

std::shared_ptr<const Block> TinyBlock(uint8_t name) {
  BlockIdentity identity;
  identity.id[0] = name;
  const std::vector<int32_t> tokens = {name, 2, 3};
  auto builder = BlockBuilder::Create(identity, {1, 1, 8, 3, DType::kF32}, tokens, "");
  EXPECT_TRUE(builder.ok()) << builder.status().message();
  return std::move(*builder).Finish();
}

BlockId Id(uint8_t name) {
  BlockId id{};
  id[0] = name;
  return id;
}

TEST(WarmStore, KeepsTheMostRecentlyUsedWithinItsBudget) {
  const int64_t size = static_cast<int64_t>(TinyBlock(1)->image().size());
  WarmStore store(NewMemoryStore(), 2 * size, size);
  for (uint8_t name : {1, 2, 3}) ASSERT_TRUE(store.Put(TinyBlock(name)).ok());
  const auto hits_below = [&] { return store.below().counters().hits; };
  ASSERT_TRUE(store.Get(Id(1)).ok());
  ASSERT_TRUE(store.Get(Id(2)).ok());
  EXPECT_EQ(hits_below(), 2);
  ASSERT_TRUE(store.Get(Id(1)).ok());  // warm, and now the most recent
  EXPECT_EQ(hits_below(), 2);
  ASSERT_TRUE(store.Get(Id(3)).ok());  // pushes 2 out
  EXPECT_EQ(hits_below(), 3);
  ASSERT_TRUE(store.Get(Id(1)).ok());
  EXPECT_EQ(hits_below(), 3);
  ASSERT_TRUE(store.Get(Id(2)).ok());
  EXPECT_EQ(hits_below(), 4);
  // Whoever asks for a block and gets it has hit, in whatever tier.
  EXPECT_EQ(store.counters().hits, 6);
  EXPECT_EQ(store.counters().warm_hits, 2);
  store.Clear();
  ASSERT_TRUE(store.Get(Id(2)).ok());
  EXPECT_EQ(hits_below(), 5);
  EXPECT_EQ(store.counters().hits, 7);
}

TEST(WarmStore, RemoveReachesBothTiers) {
  WarmStore store(NewMemoryStore(), 1 << 20, 1 << 20);
  ASSERT_TRUE(store.Put(TinyBlock(1)).ok());
  ASSERT_TRUE(store.Get(Id(1)).ok());
  ASSERT_TRUE(store.Remove(Id(1)).ok());
  EXPECT_EQ(store.Get(Id(1)).code(), StatusCode::kNotFound);
  EXPECT_EQ(store.Remove(Id(1)).code(), StatusCode::kNotFound);
}

// What the store refuses lies in the process's own memory: little of it, and counted.
TEST(WarmStore, RefusedBlocksHaveASmallBudgetOfTheirOwn) {
  const int64_t size = static_cast<int64_t>(TinyBlock(1)->image().size());
  WarmStore store(NewMemoryStore(/*budget_bytes=*/1), 1000 * size, 2 * size);
  for (uint8_t name = 1; name <= 20; ++name) {
    EXPECT_EQ(store.Put(TinyBlock(name)).code(), StatusCode::kResourceExhausted);
  }
  EXPECT_EQ(store.counters().refused_blocks, 2);
  EXPECT_EQ(store.counters().refused_bytes, 2 * size);
  EXPECT_EQ(store.counters().put_failures, 20);
  EXPECT_TRUE(store.Get(Id(20)).ok());
  EXPECT_TRUE(store.Get(Id(19)).ok());
  EXPECT_EQ(store.Get(Id(1)).code(), StatusCode::kNotFound);
  ASSERT_TRUE(store.Remove(Id(20)).code() == StatusCode::kNotFound);  // below it never was
  EXPECT_EQ(store.counters().refused_blocks, 1);
}

}  // namespace
}  // namespace kvlink::kv
