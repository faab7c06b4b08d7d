// The tables of documents.sqlite, their version, and how a database becomes one of ours. Not here:
// what is asked of them (retrieval/document_index.h).
//
//   sources    one row a file: its path, its content hash once it is indexed to the end, and how
//              the file stood then (size, time of change, device, hash of its bytes)
//   documents  one row a document, whatever number of places it stands at; file_names: the words of
//              its files' names as documents_fts has them (null: it is not in there yet); uses:
//              in how many prompts it was
//   places     where a document stands: source, ordinal, range, and in what it is told (PlaceUnit;
//              begin_byte and end_byte are pages where it is pages)
//   blocks     which blocks (hex ids) hold a document's text, of whichever models; space: whose
//              block it is (Engine::BlockSpace; empty: not known)
//   leftover_blocks  blocks of forgotten documents that are still to be removed from the store
//   facts      what is true of the whole index, a name each: "blocks known" (`blocks` was filled
//              from all labels of the store), "words left" (the file may hold forgotten words)
//   documents_fts   words of titles, texts and file names; its content is `documents`
//   analysis   by which SearchAnalysisVersion() documents_fts was made
// and on each connection, kept nowhere:
//   documents_terms  documents_fts' vocabulary; search_texts: what it was made from; named_sources
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/sqlite.h"
#include "kvlink/status.h"

namespace kvlink::retrieval {

inline constexpr int64_t kIndexVersion = 5;
inline constexpr int64_t kVersionOfUnits = 5;  // places.unit

// What to do about a damaged index, appended to the message of a kDataLoss.
Status WithRebuildAdvice(const std::string& path, Status status);

struct IndexDatabase {
  Database db;
  int64_t version = 0;             // kIndexVersion, or an older one that may only be read
  std::vector<std::string> notes;  // what took long, a line each
};

// Opens the database at `path` and creates or checks its tables; those of an older version are
// brought up to date without loss, unless read_only. Errors as DocumentIndex::Open.
Result<IndexDatabase> OpenIndexDatabase(const std::string& path, bool read_only,
                                        int busy_timeout_ms);

// Makes documents_fts anew where its own sums say that it is damaged. True: it was. REQUIRES: the
// database was opened for writing.
Result<bool> MendWords(Database& db);

// The words of the names of a document's files, as documents_fts has them; empty for texts that
// come from no file of their own (JSON Lines, standard input, kept answers).
Result<std::string> FileNamesOf(Database& db, int64_t document);

}  // namespace kvlink::retrieval
