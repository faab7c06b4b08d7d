// The rows of documents.sqlite that say which blocks hold a document's text, so that forgetting a
// document removes all of them, whichever models and settings they were made with. Not here: the
// blocks themselves (kv), and who removes them (library).
#pragma once

#include <string>
#include <vector>

#include "base/sqlite.h"
#include "kvlink/status.h"

namespace kvlink::retrieval {

// All of them REQUIRE a transaction, but those that only read. Blocks are ids in hex.
// space: Engine::BlockSpace of the model that the block is for; empty: not known, and what was
// known stays.
Status AddBlockRow(Database& db, const std::string& id, const std::string& block,
                   const std::string& space);
// Whether AddBlockRow would change nothing, of a document that is there.
Result<bool> HasBlockRow(Database& db, const std::string& id, const std::string& block,
                         const std::string& space);
Result<std::vector<std::string>> BlocksOfDocument(Database& db, const std::string& id);
// The document goes: the blocks that hold no other document's text are left over from now on.
Status LeaveBlocksOf(Database& db, const std::string& id);
Result<std::vector<std::string>> LeftoverBlocks(Database& db);
// The block is not in the store any more.
Status ForgetBlock(Database& db, const std::string& block);

// Facts about the whole index (retrieval/index_schema.h).
Result<bool> HasFact(Database& db, const std::string& name);
Status SetFact(Database& db, const std::string& name, bool holds);

}  // namespace kvlink::retrieval
