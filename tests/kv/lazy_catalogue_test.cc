// Rows and files that are brought in step only when something says that they are not: the mark, a
// use, or Verify.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kv/store_fixture.h"

namespace kvlink::kv {
namespace {

using namespace ::kvlink::testing;  // NOLINT: the tests' own words

class LazyCatalogueTest : public DiskStoreTest {
 protected:
  std::string MarkPath() const { return dir_ / "store/in-step"; }
  bool IsMarked() const { return std::filesystem::exists(MarkPath()); }

  // A whole block file that the catalogue knows nothing of.
  void AddFileWithoutRow(uint64_t seed) {
    std::filesystem::create_directories(std::filesystem::path(PathOf(seed)).parent_path());
    const auto block = MakeBlock(seed);
    std::ofstream(PathOf(seed), std::ios::binary) << AsText(block->image());
  }
  int64_t CountRows(DiskStore& store) {
    const auto rows = store.List();
    EXPECT_TRUE(rows.ok()) << rows.status().message();
    return rows.ok() ? static_cast<int64_t>(rows->size()) : -1;
  }
  // A process that dies in the middle of a write, holding the lock.
  void DieWhileWriting(uint64_t seed) {
    const pid_t child = fork();
    if (child == 0) {
      DiskStoreOptions options = Options();
      options.before_keeping = [](std::string_view, std::string_view) -> Status { _exit(7); };
      const auto store = DiskStore::Open(options);
      if (store.ok()) (void)(*store)->Put(MakeBlock(seed));
      _exit(1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  }
};

TEST_F(LazyCatalogueTest, OpeningCallsTheSameForAnyNumberOfBlocks) {
  const auto calls_of_opening = [&] {
    const int64_t before = files_.calls();
    MustOpen().reset();
    return files_.calls() - before;
  };
  for (uint64_t seed = 0; seed < 2; ++seed) ASSERT_TRUE(MustOpen()->Put(MakeBlock(seed)).ok());
  const int64_t few = calls_of_opening();
  {
    const auto store = MustOpen();
    for (uint64_t seed = 2; seed < 60; ++seed) ASSERT_TRUE(store->Put(MakeBlock(seed)).ok());
  }
  EXPECT_EQ(calls_of_opening(), few);
  std::filesystem::remove(MarkPath());
  EXPECT_GT(calls_of_opening(), few + 30);  // the test above would notice a look at all files
  EXPECT_EQ(calls_of_opening(), few);
}

TEST_F(LazyCatalogueTest, AFileWithoutARowGetsItWhenItIsAskedFor) {
  ASSERT_TRUE(MustOpen()->Put(MakeBlock(1)).ok());
  AddFileWithoutRow(2);
  clock_.now_ms = 5'000'000;
  {
    const auto store = MustOpen();
    EXPECT_EQ(CountRows(*store), 1);
    ExpectStored(*store, 2);
  }
  const auto store = MustOpen();
  EXPECT_EQ(CountRows(*store), 2);
  const auto stats = store->Stats();
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->blocks, 2);
  EXPECT_EQ(stats->tokens, 10);
  EXPECT_EQ(stats->bytes, 2 * static_cast<int64_t>(MakeBlock(1)->image().size()));
  EXPECT_EQ(store->List()->at(1).last_used_ms, 5'000'000);
}

TEST_F(LazyCatalogueTest, AFileThatWasAskedForCountsTowardsTheBudget) {
  DiskStoreOptions options = Options();
  options.budget_bytes = 2 * static_cast<int64_t>(MakeBlock(0)->image().size());
  const auto store = MustOpen(options);
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  AddFileWithoutRow(2);
  ++clock_.now_ms;
  ExpectStored(*store, 2);
  ++clock_.now_ms;
  ASSERT_TRUE(store->Put(MakeBlock(3)).ok());
  EXPECT_EQ(FilesIn("blocks"), 2);
  EXPECT_FALSE(store->Contains(IdOf(1)));
  EXPECT_EQ(CountRows(*store), 2);
}

TEST_F(LazyCatalogueTest, ARowWithoutAFileIsAMissAndGoesByVerify) {
  {
    const auto store = MustOpen();
    for (uint64_t seed = 0; seed < 3; ++seed) ASSERT_TRUE(store->Put(MakeBlock(seed)).ok());
  }
  std::filesystem::remove(PathOf(1));
  const auto store = MustOpen();
  EXPECT_EQ(store->Get(IdOf(1)).code(), StatusCode::kNotFound);
  const auto report = store->Verify({});
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->forgotten, 1);
  EXPECT_EQ(CountRows(*store), 2);
  ASSERT_TRUE(store->Put(MakeBlock(1)).ok());
  EXPECT_EQ(CountRows(*store), 3);
}

TEST_F(LazyCatalogueTest, AfterAWriterThatDiedTheNextOpeningLooksAtAllFiles) {
  ASSERT_TRUE(MustOpen()->Put(MakeBlock(1)).ok());
  EXPECT_TRUE(IsMarked());
  DieWhileWriting(2);
  EXPECT_FALSE(IsMarked());
  AddFileWithoutRow(3);  // as if it had died behind its publishing
  EXPECT_EQ(CountRows(*MustOpen()), 2);
  EXPECT_TRUE(IsMarked());
}

TEST_F(LazyCatalogueTest, ALivingProcessNoticesAWriterThatDied) {
  const auto living = MustOpen();
  ASSERT_TRUE(living->Put(MakeBlock(1)).ok());
  DieWhileWriting(2);
  AddFileWithoutRow(3);
  std::filesystem::remove(PathOf(1));
  EXPECT_EQ(CountRows(*living), 1);  // reading needs no row
  ASSERT_TRUE(living->Put(MakeBlock(4)).ok());
  EXPECT_EQ(CountRows(*living), 2);  // 3 and 4
  EXPECT_TRUE(IsMarked());
  const auto report = living->Verify({});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->adopted + report->forgotten, 0);
}

TEST_F(LazyCatalogueTest, AMarkOfAnotherBootOrADamagedOneIsNotBelieved) {
  MustOpen().reset();
  std::string whole;
  std::getline(std::ifstream(MarkPath(), std::ios::binary), whole, '\0');
  ASSERT_FALSE(whole.empty());
  uint64_t seed = 0;
  for (const std::string& text :
       {std::string(), std::string("00000000-0000-4000-8000-000000000000\n"), whole.substr(0, 10),
        whole + "x"}) {
    std::ofstream(MarkPath(), std::ios::binary | std::ios::trunc) << text;
    AddFileWithoutRow(++seed);
    EXPECT_EQ(CountRows(*MustOpen()), static_cast<int64_t>(seed)) << text;
  }
}

// Damage that opening does not look for is found by what meets it, and mended.
TEST_F(LazyCatalogueTest, ADamagedPageIsMendedWhenItIsMet) {
  const auto damage = [&] {
    const std::string path = dir_ / "store/catalogue.sqlite";
    const auto size = static_cast<int64_t>(std::filesystem::file_size(path));
    for (int64_t offset = 4096; offset < size; offset += 5) FlipByte(path, offset);
  };
  {
    const auto store = MustOpen();
    for (uint64_t seed = 0; seed < 20; ++seed) ASSERT_TRUE(store->Put(MakeBlock(seed)).ok());
  }
  damage();
  {
    const auto store = MustOpen();
    ASSERT_TRUE(store->Put(MakeBlock(20)).ok());
    EXPECT_EQ(CountRows(*store), 21);
  }
  damage();
  const auto store = MustOpen();
  const auto stats = store->Stats();
  ASSERT_TRUE(stats.ok()) << stats.status().message();
  EXPECT_EQ(stats->blocks, 21);
  for (uint64_t seed = 0; seed < 21; ++seed) ExpectStored(*store, seed);
}

}  // namespace
}  // namespace kvlink::kv
