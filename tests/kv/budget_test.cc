// The byte budget: what goes first, what never goes, and what is said when nothing fits.
#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <optional>

#include "kv/store_fixture.h"

namespace kvlink::kv {
namespace {

using namespace ::kvlink::testing;  // NOLINT: the tests' own words

class BudgetTest : public DiskStoreTest {
 protected:
  const int64_t size_ = static_cast<int64_t>(MakeBlock(0)->image().size());

  std::unique_ptr<DiskStore> OpenWith(int64_t budget_bytes) {
    DiskStoreOptions options = Options();
    options.budget_bytes = budget_bytes;
    return MustOpen(options);
  }
  // One tick apart, so that the order of use has one reading.
  Status Put(DiskStore& store, uint64_t seed) {
    ++clock_.now_ms;
    return store.Put(MakeBlock(seed));
  }
  void Use(DiskStore& store, uint64_t seed) {
    ++clock_.now_ms;
    ExpectStored(store, seed);
  }
  std::string Present(DiskStore& store) {
    std::string seeds;
    for (uint64_t seed = 0; seed < 10; ++seed) {
      if (store.Contains(IdOf(seed))) seeds += std::to_string(seed);
    }
    EXPECT_EQ(FilesIn("blocks"), static_cast<int64_t>(seeds.size()));
    return seeds;
  }
};

TEST_F(BudgetTest, LeastRecentlyUsedGoesFirst) {
  const auto store = OpenWith(3 * size_);
  for (uint64_t seed = 0; seed < 3; ++seed) ASSERT_TRUE(Put(*store, seed).ok());
  EXPECT_EQ(Present(*store), "012");
  Use(*store, 0);  // a Get counts, though nothing was written for it
  ASSERT_TRUE(Put(*store, 3).ok());
  EXPECT_EQ(Present(*store), "023");
  ASSERT_TRUE(Put(*store, 2).ok());  // so does a Put of what is there
  ASSERT_TRUE(Put(*store, 4).ok());
  EXPECT_EQ(Present(*store), "234");
  EXPECT_EQ(store->counters().evicted, 2);
}

TEST_F(BudgetTest, UsesOfAnEarlierProcessCount) {
  {
    const auto store = OpenWith(3 * size_);
    for (uint64_t seed = 0; seed < 3; ++seed) ASSERT_TRUE(Put(*store, seed).ok());
    Use(*store, 0);
  }
  const auto store = OpenWith(3 * size_);
  ASSERT_TRUE(Put(*store, 3).ok());
  EXPECT_EQ(Present(*store), "023");
}

TEST_F(BudgetTest, PinnedNeverGoes) {
  const auto store = OpenWith(3 * size_);
  for (uint64_t seed = 0; seed < 3; ++seed) ASSERT_TRUE(Put(*store, seed).ok());
  ASSERT_TRUE(store->SetPinned(IdOf(0), true).ok());
  ASSERT_TRUE(store->SetPinned(IdOf(1), true).ok());
  for (uint64_t seed = 3; seed < 6; ++seed) ASSERT_TRUE(Put(*store, seed).ok());
  EXPECT_EQ(Present(*store), "015");
  ASSERT_TRUE(store->SetPinned(IdOf(5), true).ok());
  const Status status = Put(*store, 6);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find(std::to_string(size_)), std::string::npos);
  EXPECT_NE(status.message().find(std::to_string(3 * size_)), std::string::npos);
  EXPECT_EQ(Present(*store), "015");
  EXPECT_EQ(store->counters().put_failures, 1);
  ASSERT_TRUE(store->SetPinned(IdOf(1), false).ok());
  ASSERT_TRUE(Put(*store, 6).ok());
  EXPECT_EQ(Present(*store), "056");
  EXPECT_EQ(store->SetPinned(IdOf(9), true).code(), StatusCode::kNotFound);
}

TEST_F(BudgetTest, WhatCanNeverFitEvictsNothing) {
  const auto store = OpenWith(2 * size_);
  ASSERT_TRUE(Put(*store, 0).ok());
  ASSERT_TRUE(Put(*store, 1).ok());
  BlockShape big = kTinyShape;
  big.tokens = 200;
  const Status status = store->Put(MakeBlock(2, big));
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Present(*store), "01");
  EXPECT_EQ(store->counters().evicted, 0);
}

TEST_F(BudgetTest, TheBudgetIsExact) {
  const auto store = OpenWith(2 * size_);
  ASSERT_TRUE(Put(*store, 0).ok());
  ASSERT_TRUE(Put(*store, 1).ok());
  EXPECT_EQ(Present(*store), "01");
  const auto tight = OpenWith(2 * size_ - 1);
  ASSERT_TRUE(Put(*tight, 2).ok());
  EXPECT_EQ(Present(*tight), "2");
  EXPECT_EQ(OpenWith(size_ - 1)->Put(MakeBlock(3)).code(), StatusCode::kResourceExhausted);
}

TEST_F(BudgetTest, QuarantineCountsAndGoesBeforeAnyBlock) {
  const auto store = OpenWith(3 * size_);
  ASSERT_TRUE(Put(*store, 0).ok());
  ASSERT_TRUE(Put(*store, 1).ok());
  FlipByte(PathOf(1), 6'000);
  EXPECT_FALSE(store->Get(IdOf(1)).ok());
  ASSERT_TRUE(Put(*store, 2).ok());
  EXPECT_EQ(FilesIn("quarantine"), 1);  // 0, 2 and the damaged one: it fits
  ASSERT_TRUE(Put(*store, 3).ok());
  EXPECT_EQ(FilesIn("quarantine"), 0);
  EXPECT_EQ(Present(*store), "023");
}

TEST_F(BudgetTest, PinsSurviveReopeningAndPuttingAgain) {
  {
    const auto store = OpenWith(2 * size_);
    ASSERT_TRUE(Put(*store, 0).ok());
    ASSERT_TRUE(store->SetPinned(IdOf(0), true).ok());
    ASSERT_TRUE(Put(*store, 0).ok());
  }
  const auto store = OpenWith(2 * size_);
  for (uint64_t seed = 1; seed < 4; ++seed) ASSERT_TRUE(Put(*store, seed).ok());
  EXPECT_EQ(Present(*store), "03");
}

TEST_F(BudgetTest, AnEvictedBlockInUseStaysReadable) {
  const auto store = OpenWith(size_);
  ASSERT_TRUE(Put(*store, 0).ok());
  const auto block = store->Get(IdOf(0));
  ASSERT_TRUE(block.ok());
  ASSERT_TRUE(Put(*store, 1).ok());
  EXPECT_EQ(Present(*store), "1");
  EXPECT_TRUE(SameBytes(**block, *MakeBlock(0)));
}

TEST_F(BudgetTest, CollectShrinksAndEmptiesQuarantine) {
  const auto store = OpenWith(0);
  for (uint64_t seed = 0; seed < 6; ++seed) ASSERT_TRUE(Put(*store, seed).ok());
  ASSERT_TRUE(store->SetPinned(IdOf(0), true).ok());
  FlipByte(PathOf(5), 6'000);
  EXPECT_FALSE(store->Get(IdOf(5)).ok());
  const auto freed = store->Collect(2 * size_);
  ASSERT_TRUE(freed.ok()) << freed.status().message();
  EXPECT_EQ(*freed, 4 * size_);
  EXPECT_EQ(Present(*store), "04");
  EXPECT_EQ(FilesIn("quarantine"), 0);
  const auto rest = store->Collect(0);
  ASSERT_TRUE(rest.ok());
  EXPECT_EQ(*rest, size_);
  EXPECT_EQ(Present(*store), "0");  // pinned, whatever the budget
}

TEST_F(BudgetTest, ABudgetHoldsFromTheOpeningOn) {
  {
    const auto store = OpenWith(0);
    for (uint64_t seed = 0; seed < 5; ++seed) ASSERT_TRUE(Put(*store, seed).ok());
    ASSERT_TRUE(store->SetPinned(IdOf(0), true).ok());
  }
  const auto store = OpenWith(3 * size_);
  EXPECT_EQ(Present(*store), "034");
  EXPECT_EQ(store->Stats()->bytes, 3 * size_);
}

TEST_F(BudgetTest, NumbersThatAreNoBudgetsAreRefused) {
  DiskStoreOptions options = Options();
  options.budget_bytes = -1;
  EXPECT_EQ(DiskStore::Open(options).code(), StatusCode::kInvalidArgument);
  const auto store = OpenWith(0);
  ASSERT_TRUE(Put(*store, 1).ok());
  for (const int64_t budget : {int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    EXPECT_EQ(store->Collect(budget).code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(*store->Collect(std::numeric_limits<int64_t>::max()), 0);
  EXPECT_EQ(Present(*store), "1");
}

TEST_F(BudgetTest, EvictionGoesByTheFilesWhereTheCatalogueIsOfNoUse) {
  {
    const auto store = OpenWith(0);
    for (uint64_t seed = 0; seed < 4; ++seed) ASSERT_TRUE(Put(*store, seed).ok());
  }
  for (uint64_t seed = 0; seed < 4; ++seed) {
    std::filesystem::last_write_time(PathOf(seed), std::filesystem::file_time_type::clock::now() -
                                                       std::chrono::hours(seed));  // 3 is oldest
  }
  std::filesystem::remove(dir_ / "store/catalogue.sqlite");
  std::filesystem::create_directory(dir_ / "store/catalogue.sqlite");
  EXPECT_FALSE(DiskStore::Open(Options()).ok());
  DiskStoreOptions options = Options();
  options.files_suffice = true;
  options.is_pinned = [](std::string_view label) -> std::optional<bool> {
    return label == MakeBlock(3)->label();
  };
  const auto store = MustOpen(options);
  EXPECT_EQ(store->Stats()->blocks, 4);
  const auto freed = store->Collect(2 * size_);
  ASSERT_TRUE(freed.ok()) << freed.status().message();
  EXPECT_EQ(*freed, 2 * size_);
  EXPECT_EQ(Present(*store), "03");
}

TEST_F(BudgetTest, ABlockIsToldOfBeforeItIsKeptAndMayBeRefused) {
  DiskStoreOptions options = Options();
  std::string told;
  bool refuses = true;
  options.before_keeping = [&](std::string_view label, std::string_view block) -> Status {
    told = std::string(label) + " " + std::string(block);
    EXPECT_FALSE(std::filesystem::exists(PathOf(1)));
    if (refuses) return NotFound("the document is gone");
    return {};
  };
  const auto store = MustOpen(options);
  EXPECT_EQ(store->Put(MakeBlock(1)).code(), StatusCode::kNotFound);
  EXPECT_EQ(told, std::string(MakeBlock(1)->label()) + " " + ToHex(IdOf(1)));
  EXPECT_FALSE(store->Contains(IdOf(1)));
  EXPECT_EQ(store->counters().put_failures, 1);
  refuses = false;
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  EXPECT_TRUE(store->Contains(IdOf(1)));
}

TEST_F(BudgetTest, APinComesWithTheBlockAndWithItsDocument) {
  DiskStoreOptions options = Options();
  options.budget_bytes = 2 * size_;
  bool pinned = true;
  options.is_pinned = [&](std::string_view label) -> std::optional<bool> {
    if (label != MakeBlock(1)->label()) return std::nullopt;
    return pinned;
  };
  {
    const auto store = MustOpen(options);
    ASSERT_TRUE(store->Put(MakeBlock(1), /*pinned=*/true).ok());
    ASSERT_TRUE(store->Put(MakeBlock(1)).ok());  // takes no pin away
    for (uint64_t seed = 2; seed < 6; ++seed) ASSERT_TRUE(Put(*store, seed).ok());
    EXPECT_EQ(Present(*store), "15");
    // Damaged, set aside, computed again by somebody who knows of its document's pin.
    FlipByte(PathOf(1), 5'000);
    EXPECT_FALSE(store->Get(IdOf(1)).ok());
    ASSERT_TRUE(store->Put(MakeBlock(1), /*pinned=*/true).ok());
    ASSERT_TRUE(Put(*store, 6).ok());
    EXPECT_EQ(Present(*store), "16");
  }
  // The catalogue built anew asks the documents.
  std::filesystem::remove(dir_ / "store/catalogue.sqlite");
  const auto store = MustOpen(options);
  EXPECT_EQ(store->Stats()->pinned, 1);
  // And whoever asks for it applies them.
  pinned = false;
  EXPECT_EQ(*store->ApplyPins(options.is_pinned), 1);
  EXPECT_EQ(store->Stats()->pinned, 0);
  EXPECT_EQ(*store->ApplyPins(options.is_pinned), 0);
}

}  // namespace
}  // namespace kvlink::kv
