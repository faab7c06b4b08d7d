// Where blocks rest. A miss, a dead store, a damaged block all mean the same to the caller: compute
// it, count it, go on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kv/block.h"

namespace kvlink::kv {

struct StoreCounters {
  int64_t hits = 0;       // in whatever tier
  int64_t warm_hits = 0;  // of them, what was still open from before
  int64_t misses = 0;
  int64_t puts = 0;
  int64_t put_failures = 0;
  int64_t quarantined = 0;  // damaged or foreign files set aside
  int64_t evicted = 0;
  int64_t bytes_verified = 0;
  int64_t damaged_in_use = 0;  // blocks whose file changed after they were opened
  int64_t refused_blocks = 0;  // held in the process's own memory, since no store took them
  int64_t refused_bytes = 0;
  int64_t queued_blocks = 0;  // computed, and not yet durable
  int64_t queued_bytes = 0;
};

// What came of a PutLater. Called once, on any thread; it may not call the store.
using PutDone = std::function<void(const Status&)>;

// Thread-safe.
class BlockStore {
 public:
  virtual ~BlockStore() = default;
  // The block, verified. kNotFound: a miss, with the reason; every other code is a fault that the
  // caller treats as a miss.
  virtual Result<std::shared_ptr<const Block>> Get(const BlockId& id) = 0;
  // Durable on return (for stores that outlive the process). Putting what is there is OK. `pinned`
  // pins the block from the start, so that nothing evicts it in between; without it a pin that is
  // there stays. kResourceExhausted: over budget or disk full; kFailedPrecondition: read-only.
  virtual Status Put(std::shared_ptr<const Block> block, bool pinned) = 0;
  Status Put(std::shared_ptr<const Block> block) { return Put(std::move(block), false); }
  // A Put that does not wait for a disk, in stores that have a thread for it: until `done` is
  // called, with what Put returns, Get finds the block and a crash may lose it.
  virtual void PutLater(std::shared_ptr<const Block> block, bool pinned, PutDone done) {
    done(Put(std::move(block), pinned));
  }
  // Waits until every PutLater from before is done.
  virtual void Flush() {}
  // As Get of each, in their order. Stores that are far away ask for all at once.
  virtual std::vector<Result<std::shared_ptr<const Block>>> GetMany(std::span<const BlockId> ids) {
    std::vector<Result<std::shared_ptr<const Block>>> blocks;
    for (const BlockId& id : ids) blocks.push_back(Get(id));
    return blocks;
  }
  virtual bool Contains(const BlockId& id) = 0;
  virtual Status Remove(const BlockId& id) = 0;  // kNotFound if it is not there
  virtual Status SetPinned(const BlockId& id, bool pinned) = 0;
  // A Get that another tier answered: the block counts as used here as well.
  virtual void NoteUse(const BlockId&) {}
  virtual StoreCounters counters() const = 0;
};

// Blocks in memory, for one process. A budget above 0 is kept before a block is added: least
// recently used first, pinned never; a block that is being read lives on until its reader is done.
std::unique_ptr<BlockStore> NewMemoryStore(int64_t budget_bytes = 0);

}  // namespace kvlink::kv
