// Blocks that are put later: found at once, durable before they are said to be kept, bounded, and
// written before the store goes.
#include "kv/writer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <optional>

#include "kv/store_fixture.h"
#include "kv/warm_store.h"

namespace kvlink::kv {
namespace {

using namespace ::kvlink::testing;  // NOLINT: the tests' own words

// A store whose Put waits until it is let through, and then says what it was told to say.
class SlowStore : public BlockStore {
 public:
  using BlockStore::Put;
  Result<std::shared_ptr<const Block>> Get(const BlockId& id) override { return inner_->Get(id); }
  Status Put(std::shared_ptr<const Block> block, bool pinned) override {
    {
      std::unique_lock lock(mutex_);
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return let_through_ > 0; });
      --let_through_;
      --waiting_;
    }
    return refusal.ok() ? inner_->Put(std::move(block), pinned) : refusal;
  }
  bool Contains(const BlockId& id) override { return inner_->Contains(id); }
  Status Remove(const BlockId& id) override { return inner_->Remove(id); }
  Status SetPinned(const BlockId& id, bool pinned) override {
    return inner_->SetPinned(id, pinned);
  }
  StoreCounters counters() const override { return inner_->counters(); }

  void Let(int puts) {
    const std::lock_guard lock(mutex_);
    let_through_ += puts;
    changed_.notify_all();
  }
  void WaitUntilAPutWaits() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ > 0; });
  }
  Status refusal;

 private:
  std::unique_ptr<BlockStore> inner_ = NewMemoryStore();
  std::mutex mutex_;
  std::condition_variable changed_;
  int let_through_ = 0, waiting_ = 0;
};

class WriterTest : public ::testing::Test {
 protected:
  const int64_t size_ = static_cast<int64_t>(MakeBlock(0)->image().size());
  std::unique_ptr<SlowStore> owned_ = std::make_unique<SlowStore>();
  SlowStore& slow_ = *owned_;
  // Written by one thread, read behind a Flush; outlives the store, whose end writes what is
  // queued.
  std::vector<Status> done_;
  WarmStore store_{std::move(owned_), 1 << 20, 3 * size_};

  void PutLater(uint64_t seed) {
    store_.PutLater(MakeBlock(seed), false, [this](const Status& put) { done_.push_back(put); });
  }
};

TEST_F(WriterTest, ABlockIsFoundBeforeItIsKept) {
  PutLater(1);
  slow_.WaitUntilAPutWaits();
  EXPECT_FALSE(slow_.Contains(IdOf(1)));
  EXPECT_TRUE(store_.Contains(IdOf(1)));
  ExpectStored(store_, 1);
  EXPECT_EQ(store_.counters().queued_blocks, 1);
  EXPECT_EQ(store_.counters().queued_bytes, size_);
  EXPECT_EQ(store_.counters().hits, 1);
  EXPECT_EQ(store_.counters().misses, 0);
  slow_.Let(1);
  store_.Flush();
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_TRUE(done_[0].ok());
  EXPECT_TRUE(slow_.Contains(IdOf(1)));
  EXPECT_EQ(store_.counters().queued_blocks, 0);
  EXPECT_EQ(store_.counters().queued_bytes, 0);
  ExpectStored(store_, 1);
}

TEST_F(WriterTest, ARefusalComesBackAndTheBlockStaysInMemory) {
  slow_.refusal = ResourceExhausted("the disk is full");
  slow_.Let(1);
  PutLater(1);
  store_.Flush();
  ASSERT_EQ(done_.size(), 1u);
  EXPECT_EQ(done_[0].code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(store_.counters().refused_blocks, 1);
  ExpectStored(store_, 1);
  EXPECT_FALSE(slow_.Contains(IdOf(1)));
}

TEST_F(WriterTest, AFullQueueIsWaitedFor) {
  for (uint64_t seed = 0; seed < 3; ++seed) PutLater(seed);  // all that its budget takes
  auto fourth = std::async(std::launch::async, [&] { PutLater(3); });
  slow_.WaitUntilAPutWaits();
  EXPECT_EQ(fourth.wait_for(std::chrono::milliseconds(30)), std::future_status::timeout);
  EXPECT_EQ(store_.counters().queued_bytes, 3 * size_);
  slow_.Let(1);
  fourth.get();
  EXPECT_LE(store_.counters().queued_bytes, 3 * size_);
  slow_.Let(3);
  store_.Flush();
  EXPECT_EQ(done_.size(), 4u);
  for (uint64_t seed = 0; seed < 4; ++seed) EXPECT_TRUE(slow_.Contains(IdOf(seed)));
}

TEST_F(WriterTest, ABlockLargerThanTheQueueGoesAlone) {
  BlockShape large = kTinyShape;
  large.tokens = 1000;
  slow_.Let(2);
  PutLater(1);
  store_.PutLater(MakeBlock(2, large), false, [this](const Status& put) { done_.push_back(put); });
  store_.Flush();
  EXPECT_EQ(done_.size(), 2u);
  ExpectStored(store_, 2, large);
}

TEST_F(WriterTest, WhatIsRemovedDoesNotComeBack) {
  PutLater(1);
  slow_.WaitUntilAPutWaits();
  auto removed = std::async(std::launch::async, [&] { return store_.Remove(IdOf(1)); });
  slow_.Let(1);
  EXPECT_TRUE(removed.get().ok());
  EXPECT_FALSE(store_.Contains(IdOf(1)));
  EXPECT_EQ(store_.Get(IdOf(1)).code(), StatusCode::kNotFound);
}

TEST_F(WriterTest, GetManyAnswersInOrder) {
  slow_.Let(1);
  PutLater(1);
  const std::vector<BlockId> ids = {IdOf(2), IdOf(1)};
  const auto blocks = store_.GetMany(ids);
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_EQ(blocks[0].code(), StatusCode::kNotFound);
  ASSERT_TRUE(blocks[1].ok());
  EXPECT_EQ((*blocks[1])->identity().id, IdOf(1));
}

class DiskWriterTest : public DiskStoreTest {};

TEST_F(DiskWriterTest, ClosingWritesWhatIsQueued) {
  std::atomic<int> kept = 0;
  {
    WarmStore store(MustOpen(), 1 << 20, 1 << 20);
    for (uint64_t seed = 0; seed < 20; ++seed) {
      store.PutLater(MakeBlock(seed), false, [&](const Status& put) { kept += put.ok(); });
    }
  }
  EXPECT_EQ(kept, 20);
  const auto store = MustOpen();
  for (uint64_t seed = 0; seed < 20; ++seed) ExpectStored(*store, seed);
}

// Whatever was said to be kept is there, wherever the process died.
TEST_F(DiskWriterTest, WhatIsSaidToBeKeptSurvivesAKill) {
  DiskStoreOptions options = Options();
  options.files = nullptr;
  options.clock = nullptr;
  std::vector<uint64_t> promised;
  for (uint64_t round = 0; round < 10; ++round) {
    int pipes[2];
    ASSERT_EQ(pipe(pipes), 0);
    const pid_t child = fork();
    if (child == 0) {
      auto disk = DiskStore::Open(options);
      if (!disk.ok()) _exit(1);
      WarmStore store(*std::move(disk), 1 << 20, 1 << 20);
      for (uint64_t seed = round * 100'000;; ++seed) {
        store.PutLater(MakeBlock(seed), false, [&, seed](const Status& put) {
          if (!put.ok() || write(pipes[1], &seed, sizeof(seed)) != sizeof(seed)) _exit(2);
        });
      }
    }
    close(pipes[1]);
    uint64_t seed = 0;
    for (uint64_t wanted = 2 + 3 * round; wanted > 0; --wanted) {
      ASSERT_EQ(read(pipes[0], &seed, sizeof(seed)), static_cast<ssize_t>(sizeof(seed)));
      promised.push_back(seed);
    }
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child gave up: exit " << WEXITSTATUS(status);
    while (read(pipes[0], &seed, sizeof(seed)) == sizeof(seed)) promised.push_back(seed);
    close(pipes[0]);
  }
  const auto store = MustOpen(options);
  for (const uint64_t seed : promised) ExpectStored(*store, seed);
  const auto report = store->Verify({});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->quarantined + report->adopted + report->forgotten, 0);
}

}  // namespace
}  // namespace kvlink::kv
