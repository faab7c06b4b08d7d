// The tier above a store: the most recently used blocks stay mapped (or in memory) and verified, so
// that asking again over the same documents touches no file. What it holds of a disk store are
// clean pages of the page cache, which the kernel takes back when it needs them.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "kv/store.h"

namespace kvlink {

// Thread-safe. A block that another process removes stays usable here until it is pushed out:
// blocks are immutable, so it cannot be wrong.
class WarmStore : public BlockStore {
 public:
  WarmStore(std::unique_ptr<BlockStore> below, int64_t budget_bytes)
      : below_(std::move(below)), budget_bytes_(budget_bytes) {}

  Result<std::shared_ptr<const Block>> Get(const BlockId& id) override;
  Status Put(std::shared_ptr<const Block> block) override;
  bool Contains(const BlockId& id) override { return below_->Contains(id); }
  Status Remove(const BlockId& id) override;
  Status SetPinned(const BlockId& id, bool pinned) override {
    return below_->SetPinned(id, pinned);
  }
  StoreCounters counters() const override { return below_->counters(); }

  BlockStore& below() { return *below_; }
  void Clear();  // forgets every block: the next Get goes below

 private:
  void Keep(std::shared_ptr<const Block> block);  // REQUIRES: mutex_ is held

  std::unique_ptr<BlockStore> below_;
  const int64_t budget_bytes_;
  std::mutex mutex_;                                // not held while below_ works
  std::list<std::shared_ptr<const Block>> recent_;  // most recently used first
  std::map<BlockId, std::list<std::shared_ptr<const Block>>::iterator> places_;
  int64_t bytes_ = 0;
};

}  // namespace kvlink
