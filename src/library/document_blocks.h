// The blocks of documents, across index and store: which there are, whichever model made them, and
// that those of forgotten documents go. Works without a model.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "kv/disk_store.h"
#include "kvlink/engine.h"
#include "retrieval/document_index.h"

namespace kvlink::library {

// From here on the index names the blocks of all documents. Where it does not yet (an index of an
// older version, or a new one beside an old store), they are learnt once from the blocks' labels.
Status LearnBlocks(retrieval::DocumentIndex& index, kv::DiskStore& store);

// The blocks of the documents, in the store or not any more. REQUIRES: LearnBlocks.
Result<std::vector<kv::BlockId>> BlocksOf(retrieval::DocumentIndex& index,
                                          const std::set<std::string>& ids);

// Removes the blocks of forgotten documents from the store, pinned or not, and their words from the
// index. A run that was killed before is made up for. Returns how many blocks went.
// folder: the store's.
Result<int64_t> RemoveForgotten(const std::string& folder, retrieval::DocumentIndex& index,
                                kv::DiskStore& store);

// The same for whoever has not opened the index; nothing where there is none, or it may not be
// written.
Result<int64_t> RemoveForgotten(const std::string& folder, kv::DiskStore& store);

// For the store, while it is locked: puts down a block before it is kept, so that it goes when its
// document does. kNotFound: the document is gone, and its block is not to be kept. OK: it is of no
// document in the list.
Status PutDownBlock(retrieval::DocumentIndex& index, std::string_view label,
                    std::string_view block);

}  // namespace kvlink::library
