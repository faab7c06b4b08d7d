#include "train/document_blocks.h"

#include "kv/disk_store.h"

namespace kvlink {

Result<std::unique_ptr<DocumentBlocks>> DocumentBlocks::Open(Model* model,
                                                             std::vector<int32_t> prefix,
                                                             int64_t memory_budget,
                                                             const std::string& store,
                                                             int64_t store_budget) {
  std::unique_ptr<DocumentBlocks> blocks(new DocumentBlocks());
  if (memory_budget > 0) blocks->memory_ = NewMemoryStore(memory_budget);
  if (!store.empty()) {
    DiskStoreOptions options;
    options.path = store;
    options.budget_bytes = store_budget;
    KVLINK_ASSIGN_OR_RETURN(blocks->disk_, DiskStore::Open(options));
  }
  blocks->indexer_ = std::make_unique<Indexer>(model, blocks->disk_.get(), nullptr, nullptr);
  blocks->prefix_ = std::move(prefix);
  return blocks;
}

Result<std::vector<std::shared_ptr<const Block>>> DocumentBlocks::Fetch(
    const TrainingPrompt& prompt) {
  std::vector<std::shared_ptr<const Block>> blocks;
  for (size_t i = 0; i < prompt.documents.size(); ++i) {
    const std::vector<int32_t>& tokens = prompt.documents[i];
    const BlockId id = indexer_->IdOf(tokens, BlockKind::kDocument, prefix_);
    if (memory_ != nullptr) {
      if (auto found = memory_->Get(id); found.ok()) {
        ++counters_.from_memory;
        blocks.push_back(*std::move(found));
        continue;
      }
    }
    std::shared_ptr<const Block> block;
    bool computed = true;
    // A store that is full would throw out what the next epoch needs first: it is only read then.
    if (disk_ != nullptr && (!disk_full_ || disk_->Contains(id))) {
      KVLINK_ASSIGN_OR_RETURN(IndexedBlock fetched,
                              indexer_->Fetch(tokens, BlockKind::kDocument, "", prefix_));
      block = std::move(fetched.block);
      computed = fetched.computed;
      if (!fetched.WhyNotKept().empty() || disk_->counters().evicted > 0) disk_full_ = true;
    } else {
      KVLINK_ASSIGN_OR_RETURN(block, indexer_->Encode(tokens, BlockKind::kDocument, "", prefix_));
    }
    ++(computed ? counters_.encoded : counters_.from_store);
    if (computed) counters_.encoded_tokens += static_cast<int64_t>(tokens.size());
    // Only a cache: a block that does not fit is computed again.
    if (memory_ != nullptr) (void)memory_->Put(block);
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace kvlink
