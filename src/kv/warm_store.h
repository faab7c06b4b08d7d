// The tier above a store: the most recently used blocks stay mapped and verified, so that asking
// again over the same documents reads no file. What it holds of a disk store are clean pages of the
// page cache, which the kernel takes back when it needs them. Blocks that the store refused lie in
// the process's own memory; they have a budget of their own, a small one. What is put later lies in
// memory until a thread has written it (kv/writer.h).
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>

#include "kv/store.h"
#include "kv/writer.h"

namespace kvlink::kv {

// Thread-safe. A block that another process removes stays usable here until it is pushed out:
// blocks are immutable, so it cannot be wrong. One whose file was written to is not used again.
class WarmStore : public BlockStore {
 public:
  // refused_bytes: what refused blocks may take, and queued ones again; one of each is held however
  // large it is.
  WarmStore(std::shared_ptr<BlockStore> below, int64_t budget_bytes, int64_t refused_bytes)
      : below_(std::move(below)),
        mapped_(budget_bytes),
        refused_(refused_bytes),
        writer_(*below_, refused_bytes) {}

  using BlockStore::Put;
  Result<std::shared_ptr<const Block>> Get(const BlockId& id) override;
  Status Put(std::shared_ptr<const Block> block, bool pinned) override;
  void PutLater(std::shared_ptr<const Block> block, bool pinned, PutDone done) override;
  void Flush() override { writer_.Flush(); }
  bool Contains(const BlockId& id) override {
    return writer_.Find(id) != nullptr || below_->Contains(id);
  }
  Status Remove(const BlockId& id) override;
  Status SetPinned(const BlockId& id, bool pinned) override {
    writer_.Flush();
    return below_->SetPinned(id, pinned);
  }
  void NoteUse(const BlockId& id) override { below_->NoteUse(id); }
  StoreCounters counters() const override;

  BlockStore& below() { return *below_; }
  void Clear();  // forgets every block: the next Get goes below

 private:
  // Blocks by use, most recent first, within a budget. The most recent one always stays.
  class Recent {
   public:
    explicit Recent(int64_t budget_bytes) : budget_bytes_(budget_bytes) {}
    void Keep(std::shared_ptr<const Block> block);
    std::shared_ptr<const Block> Find(const BlockId& id);  // nullptr: not here
    void Drop(const BlockId& id);
    void Clear();
    int64_t bytes() const { return bytes_; }
    int64_t size() const { return static_cast<int64_t>(places_.size()); }

   private:
    const int64_t budget_bytes_;
    std::list<std::shared_ptr<const Block>> blocks_;
    std::map<BlockId, std::list<std::shared_ptr<const Block>>::iterator> places_;
    int64_t bytes_ = 0;
  };

  void Settle(const std::shared_ptr<const Block>& block, const Status& put);

  std::shared_ptr<BlockStore> below_;
  mutable std::mutex mutex_;  // guards what follows; not held while below_ works
  Recent mapped_;
  Recent refused_;
  int64_t hits_ = 0;
  int64_t damaged_ = 0;
  BlockWriter writer_;  // last: it ends first, and tells this object of what it wrote
};

}  // namespace kvlink::kv
