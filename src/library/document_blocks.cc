#include "library/document_blocks.h"

#include <memory>
#include <optional>

#include "base/hash.h"
#include "library/label.h"
#include "library/mend_documents.h"
#include "library/store_files.h"

namespace kvlink::library {
Status LearnBlocks(retrieval::DocumentIndex& index, kv::DiskStore& store) {
  KVLINK_ASSIGN_OR_RETURN(const bool known, index.KnowsBlocks());
  if (known) return {};
  std::vector<std::pair<std::string, std::string>> blocks;
  KVLINK_RETURN_IF_ERROR(store.ForEachLabel([&](const kv::BlockId& block, std::string_view label) {
    const std::optional<retrieval::SourceDocument> document = ParseLabel(label);
    if (document) blocks.emplace_back(document->id, ToHex(block));
  }));
  return index.LearnBlocks(blocks);
}

Result<std::vector<kv::BlockId>> BlocksOf(retrieval::DocumentIndex& index,
                                          const std::set<std::string>& ids) {
  std::vector<kv::BlockId> blocks;
  for (const std::string& id : ids) {
    KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> names, index.BlocksOf(id));
    for (const std::string& name : names) {
      const Result<kv::BlockId> block = DigestFromHex(name);
      if (block.ok()) blocks.push_back(*block);
    }
  }
  return blocks;
}

Result<int64_t> RemoveForgotten(const std::string& folder, retrieval::DocumentIndex& index,
                                kv::DiskStore& store) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> blocks, index.LeftoverBlocks());
  int64_t removed_blocks = 0;
  std::set<kv::BlockId> ids;
  for (const std::string& name : blocks) {
    const Result<kv::BlockId> block = DigestFromHex(name);
    if (!block.ok()) continue;  // damaged, and no block's name
    ids.insert(*block);
    Status removed = store.Remove(*block);
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
    removed_blocks += removed.ok() ? 1 : 0;
  }
  if (!blocks.empty()) {
    // What was set aside as damaged has their words too: blocks, and the list of documents.
    KVLINK_RETURN_IF_ERROR(store.RemoveQuarantined(ids));
    KVLINK_RETURN_IF_ERROR(RemoveSpareDocuments(folder));
    KVLINK_RETURN_IF_ERROR(index.ForgetBlocks(blocks));
  }
  KVLINK_RETURN_IF_ERROR(index.Scrub());
  return removed_blocks;
}

Result<int64_t> RemoveForgotten(const std::string& folder, kv::DiskStore& store) {
  if (!IsWritable(folder) || !FileExists(DocumentsPath(folder))) return 0;
  KVLINK_ASSIGN_OR_RETURN(
      const auto index, retrieval::DocumentIndex::Open(DocumentsPath(folder), /*read_only=*/false));
  return RemoveForgotten(folder, *index, store);
}

Status PutDownBlock(retrieval::DocumentIndex& index, std::string_view label,
                    std::string_view block) {
  const std::optional<retrieval::SourceDocument> document = ParseLabel(label);
  if (!document) return {};
  constexpr int kPatienceMs = 500;  // while the store is locked
  return index.AddBlockOfKnown(document->id, std::string(block), "", kPatienceMs);
}

}  // namespace kvlink::library
