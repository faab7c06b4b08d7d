// A script of store operations in which the n-th call to the file system goes wrong, for every n
// and every way of going wrong. Afterwards the store opens, has what it promised, and nothing that
// it did not.
#include <gtest/gtest.h>

#include <set>

#include "kv/store_fixture.h"

namespace kvlink::kv {
namespace {

using namespace ::kvlink::testing;  // NOLINT: the tests' own words

struct Promises {
  std::set<uint64_t> kept;     // Put said OK, and nothing was done to it since
  std::set<uint64_t> removed;  // Remove said OK
  bool opened = false;
};

class FaultTest : public DiskStoreTest, public ::testing::WithParamInterface<Fault> {
 protected:
  const int64_t size_ = static_cast<int64_t>(MakeBlock(0)->image().size());

  // Opens, puts, gets, evicts, removes, sets aside, closes, whatever fails on the way.
  Promises RunScript(const std::string& path) {
    Promises promises;
    DiskStoreOptions options = Options();
    options.path = path;
    options.budget_bytes = 3 * size_ + size_ / 2;
    options.lock_timeout_ms = 50;
    auto store = DiskStore::Open(options);
    if (!store.ok()) return promises;
    promises.opened = true;
    const auto put = [&](uint64_t seed) {
      ++clock_.now_ms;
      const bool ok = (*store)->Put(MakeBlock(seed)).ok();
      if (ok) promises.kept.insert(seed);
      return ok;
    };
    put(0);
    put(1);
    put(2);
    ++clock_.now_ms;
    const auto got = (*store)->Get(IdOf(1));
    EXPECT_TRUE(!got.ok() || SameBytes(**got, *MakeBlock(1)));
    put(3);  // may evict 0
    promises.kept.erase(0);
    const Status removed = (*store)->Remove(IdOf(2));
    promises.kept.erase(2);  // a failed removal may have gone halfway
    if (removed.ok()) promises.removed.insert(2);
    put(4);
    return promises;
  }

  // The store at `path`, opened without faults, keeps its promises.
  void ExpectConsistent(const std::string& path, const Promises& promises) {
    DiskStoreOptions options = Options();
    options.path = path;
    const auto store = MustOpen(options);
    ASSERT_NE(store, nullptr);
    const auto report = store->Verify({});
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_EQ(report->adopted, 0);  // Open has brought rows and files in step
    EXPECT_EQ(report->forgotten, 0);
    EXPECT_EQ(report->quarantined, 0);
    EXPECT_EQ(store->counters().quarantined, 0);
    for (const uint64_t seed : promises.kept) ExpectStored(*store, seed);
    for (const uint64_t seed : promises.removed) EXPECT_FALSE(store->Contains(IdOf(seed)));
    for (uint64_t seed = 0; seed < 5; ++seed) {
      if (store->Contains(IdOf(seed))) ExpectStored(*store, seed);
    }
    EXPECT_TRUE(std::filesystem::is_empty(path + "/tmp"));
    // And it goes on working.
    ASSERT_TRUE(store->Put(MakeBlock(9)).ok());
    ExpectStored(*store, 9);
  }

  std::string Path(int64_t n) const { return dir_ / ("store-" + std::to_string(n)); }
};

TEST_P(FaultTest, AtEveryCall) {
  const int64_t before = files_.calls();
  const Promises all = RunScript(Path(-1));
  const int64_t calls = files_.calls() - before;
  EXPECT_EQ(all.kept, (std::set<uint64_t>{1, 3, 4}));
  ASSERT_GT(calls, 40);
  for (int64_t n = 0; n < calls; ++n) {
    SCOPED_TRACE("call " + std::to_string(n) + " of " + std::to_string(calls));
    const int64_t faults = files_.faults();
    files_.Arm(GetParam(), n);
    const Promises promises = RunScript(Path(n));
    files_.Arm(Fault::kNone, 0);
    // Late calls need no space, so a full disk does not touch them.
    EXPECT_TRUE(GetParam() == Fault::kDiskFull || files_.faults() > faults);
    ExpectConsistent(Path(n), promises);
    std::filesystem::remove_all(Path(n));
    if (HasFatalFailure() || HasNonfatalFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, FaultTest,
                         ::testing::Values(Fault::kOnce, Fault::kTorn, Fault::kDiskFull,
                                           Fault::kDeath),
                         [](const ::testing::TestParamInfo<Fault>& param) {
                           switch (param.param) {
                             case Fault::kOnce:
                               return "Once";
                             case Fault::kTorn:
                               return "Torn";
                             case Fault::kDiskFull:
                               return "DiskFull";
                             default:
                               return "Death";
                           }
                         });

// The process dies at the n-th call and the power goes with it: what was promised was synced.
TEST_F(FaultTest, PowerCutAtEveryCall) {
  const int64_t before = files_.calls();
  RunScript(Path(-1));
  const int64_t calls = files_.calls() - before;
  files_.PowerCut();
  for (int64_t n = 0; n < calls; ++n) {
    SCOPED_TRACE("call " + std::to_string(n) + " of " + std::to_string(calls));
    files_.Arm(Fault::kDeath, n);
    const Promises promises = RunScript(Path(n));
    files_.PowerCut();
    ExpectConsistent(Path(n), promises);
    std::filesystem::remove_all(Path(n));
    if (HasFatalFailure() || HasNonfatalFailure()) break;
  }
}

// A disk that lies about syncing may lose blocks, but none comes back with other bytes.
TEST_F(FaultTest, DroppedSyncsLoseBlocksButNeverGiveOtherBytes) {
  for (int round = 0; round < 3; ++round) {
    const std::string path = Path(round);
    files_.DropSyncs(true);
    RunScript(path);
    files_.PowerCut();
    files_.DropSyncs(false);
    DiskStoreOptions options = Options();
    options.path = path;
    const auto store = MustOpen(options);
    ASSERT_NE(store, nullptr);
    ASSERT_TRUE(store->Verify({}).ok());
    int lost = 0;
    for (uint64_t seed = 0; seed < 5; ++seed) {
      const auto got = store->Get(IdOf(seed));
      lost += !got.ok();
      EXPECT_TRUE(!got.ok() || SameBytes(**got, *MakeBlock(seed)));
    }
    EXPECT_GT(lost, 2);  // else the cut cut nothing
    for (uint64_t seed = 0; seed < 5; ++seed) ASSERT_TRUE(store->Put(MakeBlock(seed)).ok());
    for (uint64_t seed = 0; seed < 5; ++seed) ExpectStored(*store, seed);
  }
}

// A half-written file under its final name: what a lying disk leaves at worst.
TEST_F(FaultTest, TornFilesUnderTheirNamesAreSetAside) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  std::filesystem::resize_file(PathOf(1), static_cast<uintmax_t>(size_ / 2));
  const auto report = store->Verify({});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->quarantined, 1);
  EXPECT_EQ(FilesIn("blocks"), 0);
}

TEST_F(FaultTest, AFullDiskLeavesNoFileAndNoRow) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  // Full at once, after the first folder, after the temporary file's name, amid its bytes.
  int full = 0;
  for (int64_t n = 0;; ++n) {
    files_.Arm(Fault::kDiskFull, n);
    const Status status = store->Put(MakeBlock(2));
    files_.Arm(Fault::kNone, 0);
    if (status.ok()) break;
    ++full;
    EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status.message();
    EXPECT_EQ(FilesIn("tmp"), 0) << n;
    EXPECT_EQ(FilesIn("blocks"), 1) << n;
    ExpectStored(*store, 1);
    const auto rows = store->List();
    ASSERT_TRUE(rows.ok());
    EXPECT_EQ(rows->size(), 1u);
  }
  EXPECT_GE(full, 3);
  EXPECT_EQ(store->counters().put_failures, full);
  ASSERT_TRUE(store->Remove(IdOf(2)).ok());
  ASSERT_TRUE(store->Put(MakeBlock(2)).ok());
  ExpectStored(*store, 2);
}

}  // namespace
}  // namespace kvlink::kv
