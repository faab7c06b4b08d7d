#include "train/document_blocks.h"

#include "kv/disk_store.h"

namespace kvlink::train {

Result<std::unique_ptr<DocumentBlocks>> DocumentBlocks::Open(model::Model* model,
                                                             std::vector<int32_t> prefix,
                                                             int64_t memory_budget,
                                                             const std::string& store,
                                                             int64_t store_budget) {
  std::unique_ptr<DocumentBlocks> blocks(new DocumentBlocks());
  if (memory_budget > 0) blocks->memory_ = kv::NewMemoryStore(memory_budget);
  if (!store.empty()) {
    kv::DiskStoreOptions options;
    options.path = store;
    options.budget_bytes = store_budget;
    KVLINK_ASSIGN_OR_RETURN(blocks->disk_, kv::DiskStore::Open(options));
  }
  blocks->indexer_ = std::make_unique<link::Indexer>(model, blocks->disk_.get(), nullptr, nullptr);
  blocks->prefix_ = std::move(prefix);
  return blocks;
}

Result<std::vector<std::shared_ptr<const kv::Block>>> DocumentBlocks::Fetch(
    const TrainingPrompt& prompt) {
  std::vector<std::shared_ptr<const kv::Block>> blocks;
  for (size_t i = 0; i < prompt.documents.size(); ++i) {
    const std::vector<int32_t>& tokens = prompt.documents[i];
    const kv::BlockId id = indexer_->IdOf(tokens, link::BlockKind::kDocument, prefix_);
    if (memory_ != nullptr) {
      if (auto found = memory_->Get(id); found.ok()) {
        ++counters_.from_memory;
        blocks.push_back(*std::move(found));
        continue;
      }
    }
    std::shared_ptr<const kv::Block> block;
    bool computed = true;
    // A store that is full would throw out what the next epoch needs first: it is only read then.
    if (disk_ != nullptr && (!disk_full_ || disk_->Contains(id))) {
      KVLINK_ASSIGN_OR_RETURN(link::IndexedBlock fetched,
                              indexer_->Fetch(tokens, link::BlockKind::kDocument, "", prefix_));
      block = std::move(fetched.block);
      computed = fetched.computed;
      if (!fetched.WhyNotKept().empty() || disk_->counters().evicted > 0) disk_full_ = true;
    } else {
      KVLINK_ASSIGN_OR_RETURN(block,
                              indexer_->Encode(tokens, link::BlockKind::kDocument, "", prefix_));
    }
    ++(computed ? counters_.encoded : counters_.from_store);
    if (computed) counters_.encoded_tokens += static_cast<int64_t>(tokens.size());
    // Only a cache: a block that does not fit is computed again.
    if (memory_ != nullptr) (void)memory_->Put(block);
    blocks.push_back(std::move(block));
  }
  return blocks;
}

}  // namespace kvlink::train
