// Blocks in a map: what an engine without a folder uses, and what the disk store is tested against.
#include <map>
#include <mutex>

#include "kv/store.h"

namespace kvlink {
namespace {

class MemoryStore : public BlockStore {
 public:
  Result<std::shared_ptr<const Block>> Get(const BlockId& id) override {
    const std::lock_guard lock(mutex_);
    const auto it = blocks_.find(id);
    if (it == blocks_.end()) {
      ++counters_.misses;
      return NotFound("block " + ToHex(id) + " is not in memory");
    }
    ++counters_.hits;
    return it->second;
  }

  Status Put(std::shared_ptr<const Block> block) override {
    const std::lock_guard lock(mutex_);
    const BlockId id = block->identity().id;
    if (blocks_.emplace(id, std::move(block)).second) ++counters_.puts;
    return {};
  }

  bool Contains(const BlockId& id) override {
    const std::lock_guard lock(mutex_);
    return blocks_.contains(id);
  }

  Status Remove(const BlockId& id) override {
    const std::lock_guard lock(mutex_);
    if (blocks_.erase(id) == 0) return NotFound("block " + ToHex(id) + " is not in memory");
    return {};
  }

  // Without a budget nothing is evicted, so a pin changes nothing.
  Status SetPinned(const BlockId& id, bool) override {
    if (!Contains(id)) return NotFound("block " + ToHex(id) + " is not in memory");
    return {};
  }

  StoreCounters counters() const override {
    const std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<BlockId, std::shared_ptr<const Block>> blocks_;
  StoreCounters counters_;
};

}  // namespace

std::unique_ptr<BlockStore> NewMemoryStore() { return std::make_unique<MemoryStore>(); }

}  // namespace kvlink
