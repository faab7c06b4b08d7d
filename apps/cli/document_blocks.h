// The blocks of documents, across index and store: which there are, whichever model made them, and
// that those of forgotten documents go. Works without a model.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "cli/session.h"
#include "kv/disk_store.h"
#include "kvlink/engine.h"
#include "retrieval/document_index.h"

namespace kvlink::cli {

// From here on the index names the blocks of all documents. Where it does not yet (an index of an
// older version, or a new one beside an old store), they are learnt once from the blocks' labels.
Status LearnBlocks(DocumentIndex& index, DiskStore& store);

// The blocks of the documents, in the store or not any more. REQUIRES: LearnBlocks.
Result<std::vector<BlockId>> BlocksOf(DocumentIndex& index, const std::set<std::string>& ids);

// Removes the blocks of forgotten documents from the store, pinned or not, and their words from the
// index. A run that was killed before is made up for. Returns how many blocks went.
Result<int64_t> RemoveForgotten(Session& session, DocumentIndex& index, DiskStore& store);

// The same for whoever has not opened the index; nothing where there is none, or it may not be
// written.
Result<int64_t> RemoveForgotten(Session& session, DiskStore& store);

// Puts down each block before it is kept, so that it goes when its document does, and refuses those
// of documents that are gone. Opens documents.sqlite when it is first asked.
KeepRule MakeKeepRule(const std::string& documents_path);

}  // namespace kvlink::cli
