// The rows of documents.sqlite that say how sources stood when they were indexed.
#pragma once

#include <map>
#include <string>

#include "base/sqlite.h"
#include "kvlink/status.h"
#include "retrieval/source_state.h"

namespace kvlink::retrieval {

// REQUIRES: a transaction is open.
Status RecordFileState(Database& db, const std::string& source, const FileState& state);
// By path. version: of the tables (retrieval/index_schema.h).
Result<std::map<std::string, FileState>> ReadFileStates(Database& db, int64_t version);

}  // namespace kvlink::retrieval
