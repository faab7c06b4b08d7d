// Block files that are cut or written to while they are in use: noticed, counted, computed again.
#include <gtest/gtest.h>

#include "kv/store_fixture.h"
#include "kv/warm_store.h"

namespace kvlink::kv {
namespace {

namespace fs = std::filesystem;
using namespace ::kvlink::testing;  // NOLINT: the tests' own words

class ChangedFilesTest : public DiskStoreTest {
 protected:
  // The block, held as a request holds it, then its file changed, then asked for again.
  void ExpectNoticed(BlockStore& store, const std::function<void()>& change) {
    ASSERT_TRUE(store.Put(MakeBlock(1)).ok());
    const auto held = store.Get(IdOf(1));
    ASSERT_TRUE(held.ok()) << held.status().message();
    EXPECT_TRUE((*held)->CheckUnchanged().ok());
    change();
    EXPECT_EQ((*held)->CheckUnchanged().code(), StatusCode::kDataLoss);
    int64_t sum = 0;
    for (const std::byte byte : (*held)->image()) sum += static_cast<int64_t>(byte);  // no signal
    EXPECT_GE(sum, 0);
    EXPECT_EQ(store.Get(IdOf(1)).code(), StatusCode::kNotFound);
    ASSERT_TRUE(store.Put(MakeBlock(1)).ok());
    ExpectStored(store, 1);
    ASSERT_TRUE(store.Remove(IdOf(1)).ok());
  }
};

TEST_F(ChangedFilesTest, ABlockInUseThatIsCutIsComputedAgain) {
  const auto size = MakeBlock(1)->image().size();
  for (const bool warm : {false, true}) {
    std::unique_ptr<BlockStore> store = MustOpen();
    if (warm) store = std::make_unique<WarmStore>(std::move(store), 1 << 30, 1 << 20);
    int64_t damaged = 0;
    // To nothing; in the middle; by less than a page, which no fault would tell.
    for (const size_t left : {size_t{0}, size / 2, size - 1}) {
      SCOPED_TRACE(std::to_string(left) + (warm ? " warm" : ""));
      ExpectNoticed(*store, [&] { fs::resize_file(PathOf(1), left); });
      EXPECT_GT(store->counters().damaged_in_use, damaged);
      damaged = store->counters().damaged_in_use;
    }
    // The bytes of another, of the same size.
    ExpectNoticed(*store, [&] { FlipByte(PathOf(1), 5'000); });
  }
}

TEST_F(ChangedFilesTest, ABlockThatWasRemovedOrReplacedIsUsedOn) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  const auto held = store->Get(IdOf(1));
  ASSERT_TRUE(held.ok());
  ASSERT_TRUE(store->Remove(IdOf(1)).ok());
  EXPECT_TRUE((*held)->CheckUnchanged().ok());
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  EXPECT_TRUE((*held)->CheckUnchanged().ok());
  EXPECT_TRUE(SameBytes(**held, *MakeBlock(1)));
}

}  // namespace
}  // namespace kvlink::kv
