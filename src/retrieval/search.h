// A question asked of the full-text index: which documents, how well, and by which way they were
// found. Works on the tables of retrieval/index_schema.h; rows of places are added by
// retrieval/document_index.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/sqlite.h"
#include "kvlink/documents.h"
#include "kvlink/status.h"

namespace kvlink::retrieval {

struct FoundKey {
  int64_t key = 0;
  double score = 0;     // as retrieval/ranking.h
  double coverage = 0;  // as retrieval/ranking.h
};

struct FoundKeys {
  std::vector<FoundKey> keys;  // best first; equal scores in no order, and all that equal the last
  HowFound how = HowFound::kMatched;
  std::string note;  // what the reader should be told, or empty: "no document has 'umbrela'; ..."
};

// At least `limit` keys if so many documents can be had. REQUIRES: a transaction is open, so that
// all is of one moment; limit > 0.
Result<FoundKeys> FindKeys(Database& db, std::string_view question, size_t limit);

}  // namespace kvlink::retrieval
