// The warm tier: what is kept, what is pushed out, and that it never outlives a Remove.
#include "kv/warm_store.h"

#include <gtest/gtest.h>

namespace kvlink {
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
  WarmStore store(NewMemoryStore(), 2 * size);
  for (uint8_t name : {1, 2, 3}) ASSERT_TRUE(store.Put(TinyBlock(name)).ok());
  const auto hits_below = [&] { return store.counters().hits; };
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
  store.Clear();
  ASSERT_TRUE(store.Get(Id(2)).ok());
  EXPECT_EQ(hits_below(), 5);
}

TEST(WarmStore, RemoveReachesBothTiers) {
  WarmStore store(NewMemoryStore(), 1 << 20);
  ASSERT_TRUE(store.Put(TinyBlock(1)).ok());
  ASSERT_TRUE(store.Get(Id(1)).ok());
  ASSERT_TRUE(store.Remove(Id(1)).ok());
  EXPECT_EQ(store.Get(Id(1)).code(), StatusCode::kNotFound);
  EXPECT_EQ(store.Remove(Id(1)).code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace kvlink
