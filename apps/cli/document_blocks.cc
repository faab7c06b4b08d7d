#include "cli/document_blocks.h"

#include <memory>
#include <optional>

#include "base/hash.h"
#include "cli/default_paths.h"
#include "cli/label.h"
#include "cli/mend_documents.h"

namespace kvlink::cli {
namespace {

constexpr int kPatienceMs = 500;  // while the store is locked

}  // namespace

Status LearnBlocks(DocumentIndex& index, DiskStore& store) {
  KVLINK_ASSIGN_OR_RETURN(const bool known, index.KnowsBlocks());
  if (known) return {};
  std::vector<std::pair<std::string, std::string>> blocks;
  KVLINK_RETURN_IF_ERROR(store.ForEachLabel([&](const BlockId& block, std::string_view label) {
    const std::optional<SourceDocument> document = ParseLabel(label);
    if (document) blocks.emplace_back(document->id, ToHex(block));
  }));
  return index.LearnBlocks(blocks);
}

Result<std::vector<BlockId>> BlocksOf(DocumentIndex& index, const std::set<std::string>& ids) {
  std::vector<BlockId> blocks;
  for (const std::string& id : ids) {
    KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> names, index.BlocksOf(id));
    for (const std::string& name : names) {
      const Result<BlockId> block = DigestFromHex(name);
      if (block.ok()) blocks.push_back(*block);
    }
  }
  return blocks;
}

Result<int64_t> RemoveForgotten(Session& session, DocumentIndex& index, DiskStore& store) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<std::string> blocks, index.LeftoverBlocks());
  int64_t removed_blocks = 0;
  std::set<BlockId> ids;
  for (const std::string& name : blocks) {
    const Result<BlockId> block = DigestFromHex(name);
    if (!block.ok()) continue;  // damaged, and no block's name
    ids.insert(*block);
    Status removed = store.Remove(*block);
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
    removed_blocks += removed.ok() ? 1 : 0;
  }
  if (!blocks.empty()) {
    // What was set aside as damaged has their words too: blocks, and the list of documents.
    KVLINK_ASSIGN_OR_RETURN(const std::string folder, session.store_path());
    KVLINK_RETURN_IF_ERROR(store.RemoveQuarantined(ids));
    KVLINK_RETURN_IF_ERROR(RemoveSpareDocuments(folder));
    KVLINK_RETURN_IF_ERROR(index.ForgetBlocks(blocks));
  }
  KVLINK_RETURN_IF_ERROR(index.Scrub());
  return removed_blocks;
}

Result<int64_t> RemoveForgotten(Session& session, DiskStore& store) {
  KVLINK_ASSIGN_OR_RETURN(const std::string folder, session.store_path());
  if (!IsWritable(folder) || !FileExists(DocumentsPath(folder))) return 0;
  KVLINK_ASSIGN_OR_RETURN(const auto index, session.OpenDocuments(false, false));
  return RemoveForgotten(session, *index, store);
}

KeepRule MakeKeepRule(const std::string& documents_path) {
  return [documents_path, index = std::shared_ptr<DocumentIndex>()](
             std::string_view label, std::string_view block) mutable -> Status {
    const std::optional<SourceDocument> document = ParseLabel(label);
    if (!document) return {};  // of no document in the list
    if (index == nullptr) {
      KVLINK_ASSIGN_OR_RETURN(
          index, DocumentIndex::Open(documents_path, /*read_only=*/false, kPatienceMs));
    }
    return index->AddBlockOfKnown(document->id, std::string(block));
  };
}

}  // namespace kvlink::cli
