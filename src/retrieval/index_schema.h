// The tables of documents.sqlite, their version, and how a database becomes one of ours. Not here:
// what is asked of them (retrieval/document_index.h).
//
//   sources    one row a file: its path, and its content hash once it is indexed to the end
//   documents  one row a document, whatever number of places it stands at
//   places     where a document stands: source, ordinal, byte range
//   documents_fts   words of titles and texts; its content is `documents`
#pragma once

#include <string>

#include "base/sqlite.h"
#include "kvlink/status.h"

namespace kvlink {

inline constexpr int64_t kIndexVersion = 1;

// What to do about a damaged index, appended to the message of a kDataLoss.
Status WithRebuildAdvice(const std::string& path, Status status);

// Opens the database at `path` and creates or checks its tables. Errors as DocumentIndex::Open.
Result<Database> OpenIndexDatabase(const std::string& path, bool read_only);

}  // namespace kvlink
