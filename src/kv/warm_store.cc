#include "kv/warm_store.h"

#include <utility>

#include "base/guarded.h"

namespace kvlink::kv {

void WarmStore::Recent::Keep(std::shared_ptr<const Block> block) {
  const BlockId id = block->identity().id;
  Drop(id);
  bytes_ += static_cast<int64_t>(block->image().size());
  blocks_.push_front(std::move(block));
  places_[id] = blocks_.begin();
  while (bytes_ > budget_bytes_ && blocks_.size() > 1) Drop(blocks_.back()->identity().id);
}

std::shared_ptr<const Block> WarmStore::Recent::Find(const BlockId& id) {
  const auto found = places_.find(id);
  if (found == places_.end()) return nullptr;
  blocks_.splice(blocks_.begin(), blocks_, found->second);
  return *found->second;
}

void WarmStore::Recent::Drop(const BlockId& id) {
  const auto found = places_.find(id);
  if (found == places_.end()) return;
  const auto place = found->second;
  bytes_ -= static_cast<int64_t>((*place)->image().size());
  places_.erase(found);
  blocks_.erase(place);
}

void WarmStore::Recent::Clear() {
  blocks_.clear();
  places_.clear();
  bytes_ = 0;
}

Result<std::shared_ptr<const Block>> WarmStore::Get(const BlockId& id) {
  std::shared_ptr<const Block> warm;
  {
    const std::lock_guard lock(mutex_);
    warm = mapped_.Find(id);
    if (warm == nullptr) warm = refused_.Find(id);
  }
  if (warm == nullptr) warm = writer_.Find(id);
  if (warm != nullptr) {
    const bool unchanged = warm->CheckUnchanged().ok();  // looks at the file: not under the mutex
    {
      const std::lock_guard lock(mutex_);
      if (unchanged) {
        ++hits_;
      } else {
        ++damaged_;
        mapped_.Drop(id);
      }
    }
    if (unchanged) {
      below_->NoteUse(id);
      return warm;
    }
    warm.reset();  // else the store below would find it open still
  }
  auto block = below_->Get(id);
  if (block.ok()) {
    const std::lock_guard lock(mutex_);
    mapped_.Keep(*block);
  }
  return block;
}

Status WarmStore::Put(std::shared_ptr<const Block> block, bool pinned) {
  Status status = below_->Put(block, pinned);
  Settle(block, status);
  return status;
}

void WarmStore::PutLater(std::shared_ptr<const Block> block, bool pinned, PutDone done) {
  writer_.Put(block, pinned, [this, block, done = std::move(done)](const Status& put) {
    // Without memory for that, the block is not held either.
    (void)Guarded("", [&] {
      Settle(block, put);
      return Status();
    });
    done(put);
  });
}

// Kept here only if the store below cannot: a block that it took is mapped by the next Get, while
// this one lies in the process's own memory.
void WarmStore::Settle(const std::shared_ptr<const Block>& block, const Status& put) {
  const std::lock_guard lock(mutex_);
  if (put.ok()) {
    refused_.Drop(block->identity().id);
  } else {
    refused_.Keep(block);
  }
}

Status WarmStore::Remove(const BlockId& id) {
  writer_.Flush();  // else it would come back
  {
    const std::lock_guard lock(mutex_);
    mapped_.Drop(id);
    refused_.Drop(id);
  }
  return below_->Remove(id);
}

StoreCounters WarmStore::counters() const {
  StoreCounters counters = below_->counters();
  const std::lock_guard lock(mutex_);
  counters.hits += hits_;
  counters.warm_hits = hits_;
  counters.damaged_in_use += damaged_;
  counters.refused_blocks = refused_.size();
  counters.refused_bytes = refused_.bytes();
  counters.queued_blocks = writer_.queued_blocks();
  counters.queued_bytes = writer_.queued_bytes();
  return counters;
}

void WarmStore::Clear() {
  writer_.Flush();
  const std::lock_guard lock(mutex_);
  mapped_.Clear();
  refused_.Clear();
}

}  // namespace kvlink::kv
