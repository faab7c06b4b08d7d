// Puts blocks into a store on a thread of its own, so that whoever computed them waits for no lock,
// fsync or database. What is queued is found here until it is durable.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "kv/store.h"

namespace kvlink::kv {

// Thread-safe. The thread starts with the first block.
class BlockWriter {
 public:
  // `below` outlives it. The queue holds at most `budget_bytes`, or one block.
  BlockWriter(BlockStore& below, int64_t budget_bytes)
      : below_(below), budget_bytes_(budget_bytes) {}
  ~BlockWriter();  // after all that is queued was written or refused
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;

  // Waits only while the queue is full. `done` is called once, on the writer's thread, with what
  // the store below said; until it returns, Find finds the block. It may not call the writer.
  void Put(std::shared_ptr<const Block> block, bool pinned, PutDone done);
  std::shared_ptr<const Block> Find(const BlockId& id) const;  // nullptr: not queued
  void Flush();  // waits until all that was queued before is done

  int64_t queued_blocks() const;
  int64_t queued_bytes() const;

 private:
  struct Job {
    std::shared_ptr<const Block> block;
    bool pinned;
    PutDone done;
  };
  void Run();
  void Write(const Job& job);

  BlockStore& below_;
  const int64_t budget_bytes_;
  mutable std::mutex mutex_;  // guards what follows; not held while below_ works
  std::condition_variable added_, removed_;
  std::deque<Job> jobs_;  // the first one is being written
  int64_t bytes_ = 0;
  int64_t added_jobs_ = 0, removed_jobs_ = 0;  // ever
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace kvlink::kv
