// The tables of documents.sqlite, their version, and how a database becomes one of ours. Not here:
// what is asked of them (retrieval/document_index.h).
//
//   sources    one row a file: its path, its content hash once it is indexed to the end, and how
//              the file stood then (size, time of change, device, hash of its bytes)
//   documents  one row a document, whatever number of places it stands at
//   places     where a document stands: source, ordinal, byte range
//   blocks     which blocks (hex ids) hold a document's text, of whichever models
//   leftover_blocks  blocks of forgotten documents that are still to be removed from the store
//   facts      what is true of the whole index, a name each: "blocks known" (`blocks` was filled
//              from all labels of the store), "words left" (the file may hold forgotten words)
//   documents_fts   words of titles and texts; its content is `documents`
#pragma once

#include <string>

#include "base/sqlite.h"
#include "kvlink/status.h"

namespace kvlink {

inline constexpr int64_t kIndexVersion = 2;

// What to do about a damaged index, appended to the message of a kDataLoss.
Status WithRebuildAdvice(const std::string& path, Status status);

struct IndexDatabase {
  Database db;
  int64_t version = 0;  // kIndexVersion, or an older one that may only be read
};

// Opens the database at `path` and creates or checks its tables; those of an older version are
// brought up to date without loss, unless read_only. Errors as DocumentIndex::Open.
Result<IndexDatabase> OpenIndexDatabase(const std::string& path, bool read_only);

}  // namespace kvlink
