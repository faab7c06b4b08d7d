#include "kv/warm_store.h"

namespace kvlink {

void WarmStore::Keep(std::shared_ptr<const Block> block) {
  const BlockId id = block->identity().id;
  if (const auto found = places_.find(id); found != places_.end()) {
    bytes_ -= static_cast<int64_t>((*found->second)->image().size());
    recent_.erase(found->second);
  }
  bytes_ += static_cast<int64_t>(block->image().size());
  recent_.push_front(std::move(block));
  places_[id] = recent_.begin();
  while (bytes_ > budget_bytes_ && recent_.size() > 1) {
    bytes_ -= static_cast<int64_t>(recent_.back()->image().size());
    places_.erase(recent_.back()->identity().id);
    recent_.pop_back();
  }
}

Result<std::shared_ptr<const Block>> WarmStore::Get(const BlockId& id) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = places_.find(id); found != places_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return *found->second;
    }
  }
  auto block = below_->Get(id);
  if (block.ok()) {
    const std::lock_guard lock(mutex_);
    Keep(*block);
  }
  return block;
}

Status WarmStore::Put(std::shared_ptr<const Block> block) {
  // Kept here only if the store below cannot: a block that it took is mapped by the next Get, while
  // this one lies in the process's own memory.
  Status status = below_->Put(block);
  if (!status.ok()) {
    const std::lock_guard lock(mutex_);
    Keep(std::move(block));
  }
  return status;
}

Status WarmStore::Remove(const BlockId& id) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = places_.find(id); found != places_.end()) {
      bytes_ -= static_cast<int64_t>((*found->second)->image().size());
      recent_.erase(found->second);
      places_.erase(found);
    }
  }
  return below_->Remove(id);
}

void WarmStore::Clear() {
  const std::lock_guard lock(mutex_);
  recent_.clear();
  places_.clear();
  bytes_ = 0;
}

}  // namespace kvlink
