// Blocks in a map: what an engine without a folder uses, and what the disk store is tested against.
#include <list>
#include <map>
#include <mutex>

#include "kv/store.h"

namespace kvlink::kv {
namespace {

class MemoryStore : public BlockStore {
 public:
  explicit MemoryStore(int64_t budget_bytes) : budget_bytes_(budget_bytes) {}

  Result<std::shared_ptr<const Block>> Get(const BlockId& id) override {
    const std::lock_guard lock(mutex_);
    const auto it = blocks_.find(id);
    if (it == blocks_.end()) {
      ++counters_.misses;
      return NotFound("block " + ToHex(id) + " is not in memory");
    }
    ++counters_.hits;
    used_.splice(used_.end(), used_, it->second.used);
    return it->second.block;
  }

  Status Put(std::shared_ptr<const Block> block, bool pinned) override {
    const std::lock_guard lock(mutex_);
    const BlockId id = block->identity().id;
    if (const auto it = blocks_.find(id); it != blocks_.end()) {
      it->second.pinned |= pinned;
      return {};
    }
    const int64_t size = static_cast<int64_t>(block->image().size());
    if (budget_bytes_ > 0 && !MakeRoom(size)) {
      ++counters_.put_failures;
      return ResourceExhausted("a block of " + std::to_string(size) +
                               " bytes does not fit the budget of " +
                               std::to_string(budget_bytes_) + " bytes in memory");
    }
    bytes_ += size;
    used_.push_back(id);
    blocks_.emplace(id, Entry{std::move(block), std::prev(used_.end()), pinned});
    ++counters_.puts;
    return {};
  }

  bool Contains(const BlockId& id) override {
    const std::lock_guard lock(mutex_);
    return blocks_.contains(id);
  }

  Status Remove(const BlockId& id) override {
    const std::lock_guard lock(mutex_);
    const auto it = blocks_.find(id);
    if (it == blocks_.end()) return NotFound("block " + ToHex(id) + " is not in memory");
    Erase(it);
    return {};
  }

  Status SetPinned(const BlockId& id, bool pinned) override {
    const std::lock_guard lock(mutex_);
    const auto it = blocks_.find(id);
    if (it == blocks_.end()) return NotFound("block " + ToHex(id) + " is not in memory");
    it->second.pinned = pinned;
    return {};
  }

  StoreCounters counters() const override {
    const std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  struct Entry {
    std::shared_ptr<const Block> block;
    std::list<BlockId>::iterator used;
    bool pinned;
  };
  using Blocks = std::map<BlockId, Entry>;

  void Erase(Blocks::iterator it) {
    bytes_ -= static_cast<int64_t>(it->second.block->image().size());
    used_.erase(it->second.used);
    blocks_.erase(it);
  }

  bool MakeRoom(int64_t size) {
    auto oldest = used_.begin();
    while (bytes_ + size > budget_bytes_ && oldest != used_.end()) {
      const auto it = blocks_.find(*oldest++);
      if (it->second.pinned) continue;
      Erase(it);
      ++counters_.evicted;
    }
    return bytes_ + size <= budget_bytes_;
  }

  const int64_t budget_bytes_;  // 0: none
  mutable std::mutex mutex_;
  Blocks blocks_;
  std::list<BlockId> used_;  // least recently used first
  int64_t bytes_ = 0;
  StoreCounters counters_;
};

}  // namespace

std::unique_ptr<BlockStore> NewMemoryStore(int64_t budget_bytes) {
  return std::make_unique<MemoryStore>(budget_bytes);
}

}  // namespace kvlink::kv
