// Stores that several threads use at once: every block that is got is whole and the one asked for,
// whatever the others put, remove, pin and push out meanwhile. Run under ThreadSanitizer too.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "kv/store_fixture.h"
#include "kv/warm_store.h"

namespace kvlink::testing {
namespace {

constexpr int kThreads = 4, kRounds = 60;
constexpr uint64_t kBlocks = 6;

void UseFromSeveralThreads(kv::BlockStore* store) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0, got = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int round = 0; round < kRounds; ++round) {
        const uint64_t seed = 1 + random() % kBlocks;
        const std::shared_ptr<const kv::Block> expected = MakeBlock(seed);
        switch (random() % 8) {
          case 0:
            (void)store->Remove(expected->identity().id);
            break;
          case 1:
            (void)store->SetPinned(expected->identity().id, random() % 2 == 0);
            break;
          case 2:
          case 3:
            wrong += !store->Put(expected).ok();
            break;
          default:
            const auto found = store->Get(expected->identity().id);
            if (!found.ok()) break;
            ++got;
            wrong += !std::ranges::equal((*found)->image(), expected->image());
        }
        (void)store->counters();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(got, 0);
}

class StoreThreads : public DiskStoreTest {};

TEST_F(StoreThreads, Disk) {
  const auto store = MustOpen();
  UseFromSeveralThreads(store.get());
}

TEST_F(StoreThreads, TwoOpeningsOfOneFolder) {
  const auto one = MustOpen(), two = MustOpen();
  std::thread other([&] { UseFromSeveralThreads(two.get()); });
  UseFromSeveralThreads(one.get());
  other.join();
}

TEST_F(StoreThreads, WarmOverDisk) {
  // Room for two blocks, so that they push each other out.
  const auto room = static_cast<int64_t>(2 * MakeBlock(1)->image().size());
  kv::WarmStore store(MustOpen(), room, room);
  UseFromSeveralThreads(&store);
}

TEST_F(StoreThreads, Memory) {
  const auto store = kv::NewMemoryStore();
  UseFromSeveralThreads(store.get());
}

}  // namespace
}  // namespace kvlink::testing
