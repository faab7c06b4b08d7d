// The documents' blocks for training: from memory, from a store on disk, or encoded by the serving
// engine. Gradients never reach them (docs/method.md, section 6).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kv/store.h"
#include "link/indexer.h"
#include "train/training_prompt.h"

namespace kvlink::train {

struct DocumentBlockCounters {
  int64_t from_memory = 0;  // blocks
  int64_t from_store = 0;
  int64_t encoded = 0;
  int64_t encoded_tokens = 0;
};

// Thread promise: one call at a time (it runs the model).
class DocumentBlocks {
 public:
  // `model` outlives it. prefix: what documents are encoded behind (link/indexer.h). memory_budget
  // 0: none kept in memory. store empty: none on disk.
  static Result<std::unique_ptr<DocumentBlocks>> Open(model::Model* model,
                                                      std::vector<int32_t> prefix,
                                                      int64_t memory_budget,
                                                      const std::string& store,
                                                      int64_t store_budget);

  // As many as prompt.documents.
  Result<std::vector<std::shared_ptr<const kv::Block>>> Fetch(const TrainingPrompt& prompt);

  const DocumentBlockCounters& counters() const { return counters_; }

 private:
  DocumentBlocks() = default;
  std::unique_ptr<kv::BlockStore> memory_;  // may be null
  std::unique_ptr<kv::BlockStore> disk_;    // may be null
  std::unique_ptr<link::Indexer> indexer_;
  std::vector<int32_t> prefix_;
  bool disk_full_ = false;
  DocumentBlockCounters counters_;
};

}  // namespace kvlink::train
