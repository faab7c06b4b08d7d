// Several processes and threads on one store: writers side by side, and writers killed at random
// moments.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "kv/store_fixture.h"

namespace kvlink::kv {
namespace {

using namespace ::kvlink::testing;  // NOLINT: the tests' own words

class ProcessTest : public DiskStoreTest {
 protected:
  DiskStoreOptions RealFiles() {
    DiskStoreOptions options = Options();
    options.files = nullptr;
    options.clock = nullptr;
    return options;
  }
};

constexpr BlockShape kSomePages = {
    .layers = 4, .kv_heads = 2, .head_dim = 16, .tokens = 100, .dtype = DType::kBF16};

// The child: puts block after block and says so after each.
[[noreturn]] void PutForever(const DiskStoreOptions& options, uint64_t first, int acknowledge) {
  const auto store = DiskStore::Open(options);
  if (!store.ok()) _exit(1);
  for (uint64_t seed = first;; ++seed) {
    if (!(*store)->Put(MakeBlock(seed, kSomePages)).ok()) _exit(2);
    if (write(acknowledge, &seed, sizeof(seed)) != sizeof(seed)) _exit(3);
  }
}

TEST_F(ProcessTest, KilledWhilePutting) {
  constexpr int kRounds = 60;
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<uint64_t> promised;
  MustOpen(RealFiles()).reset();
  for (int round = 0; round < kRounds; ++round) {
    int pipes[2];
    ASSERT_EQ(pipe(pipes), 0);
    const uint64_t first = static_cast<uint64_t>(round) * 100'000;
    const pid_t child = fork();
    if (child == 0) PutForever(RealFiles(), first, pipes[1]);
    close(pipes[1]);
    // Counted in blocks as well as in time, so that slow machines see kills at every stage too.
    uint64_t done = 0;
    for (uint64_t wanted = random() % 4; wanted > 0; --wanted) {
      if (read(pipes[0], &done, sizeof(done)) == sizeof(done)) promised.push_back(done);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 10'000));
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child gave up: exit " << WEXITSTATUS(status);
    while (read(pipes[0], &done, sizeof(done)) == sizeof(done)) promised.push_back(done);
    close(pipes[0]);
    const auto store = MustOpen(RealFiles());
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(FilesIn("tmp"), 0);
    EXPECT_EQ(store->counters().quarantined, 0);
    if (!promised.empty()) ExpectStored(*store, promised.back(), kSomePages);
  }
  const auto store = MustOpen(RealFiles());
  const auto report = store->Verify({});
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->quarantined, 0);
  EXPECT_EQ(report->adopted, 0);
  EXPECT_EQ(report->forgotten, 0);
  EXPECT_GT(promised.size(), 20u);
  for (const uint64_t block : promised) ExpectStored(*store, block, kSomePages);
  // A killed child may have one block more than it said, published and not yet acknowledged.
  EXPECT_LE(report->checked, static_cast<int64_t>(promised.size()) + kRounds);
}

TEST_F(ProcessTest, TwoWritersSideBySide) {
  constexpr uint64_t kBlocks = 30;
  std::vector<pid_t> children;
  for (int process = 0; process < 2; ++process) {
    const pid_t child = fork();
    if (child == 0) {
      const auto store = DiskStore::Open(RealFiles());
      if (!store.ok()) _exit(1);
      for (uint64_t i = 0; i < kBlocks; ++i) {
        // Half of the blocks are the other's too, and come in the opposite order.
        const uint64_t seed = process == 0 ? i : kBlocks * 3 / 2 - 1 - i;
        if (!(*store)->Put(MakeBlock(seed)).ok()) _exit(2);
        const auto got = (*store)->Get(IdOf(seed));
        if (!got.ok() || !SameBytes(**got, *MakeBlock(seed))) _exit(3);
      }
      _exit((*store)->counters().quarantined == 0 ? 0 : 4);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  const auto store = MustOpen(RealFiles());
  const auto rows = store->List();
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->size(), kBlocks * 3 / 2);
  for (uint64_t seed = 0; seed < kBlocks * 3 / 2; ++seed) ExpectStored(*store, seed);
}

// One process rebuilds the catalogue under another's feet.
TEST_F(ProcessTest, ARebuiltCatalogueIsNoticedByOthers) {
  const auto first = MustOpen();
  ASSERT_TRUE(first->Put(MakeBlock(1)).ok());
  std::filesystem::remove(dir_ / "store/catalogue.sqlite");
  const auto second = MustOpen();
  ASSERT_TRUE(second->Put(MakeBlock(2)).ok());
  ASSERT_TRUE(first->Put(MakeBlock(3)).ok());
  for (const auto* store : {&first, &second}) {
    const auto rows = (*store)->List();
    ASSERT_TRUE(rows.ok()) << rows.status().message();
    EXPECT_EQ(rows->size(), 3u);
  }
}

TEST_F(ProcessTest, BudgetHoldsWithTwoWriters) {
  DiskStoreOptions options = Options();
  const int64_t size = static_cast<int64_t>(MakeBlock(0)->image().size());
  options.budget_bytes = 4 * size;
  const auto first = MustOpen(options);
  const auto second = MustOpen(options);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    ++clock_.now_ms;
    ASSERT_TRUE((seed % 3 == 0 ? first : second)->Put(MakeBlock(seed)).ok());
    EXPECT_LE(FilesIn("blocks"), 4);
  }
  for (uint64_t seed = 16; seed < 20; ++seed) ExpectStored(*first, seed);
}

TEST_F(ProcessTest, ThreadsShareAStore) {
  DiskStoreOptions options = Options();
  const int64_t size = static_cast<int64_t>(MakeBlock(0)->image().size());
  options.budget_bytes = 6 * size;
  const auto store = MustOpen(options);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937_64 random(static_cast<uint64_t>(thread));
      for (int i = 0; i < 40; ++i) {
        const uint64_t seed = random() % 10;
        ++clock_.now_ms;
        switch (random() % 8) {
          case 0:
            (void)store->Remove(IdOf(seed));
            break;
          case 1:
            EXPECT_TRUE(store->List().ok());
            break;
          case 2:
          case 3:
          case 4:
            EXPECT_TRUE(store->Put(MakeBlock(seed)).ok());
            break;
          default: {
            const auto got = store->Get(IdOf(seed));
            EXPECT_TRUE(got.ok() || got.code() == StatusCode::kNotFound);
            EXPECT_TRUE(!got.ok() || SameBytes(**got, *MakeBlock(seed)));
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->counters().quarantined, 0);
  const auto report = store->Verify({});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->adopted + report->forgotten + report->quarantined, 0);
  EXPECT_LE(FilesIn("blocks"), 6);
}

}  // namespace
}  // namespace kvlink::kv
