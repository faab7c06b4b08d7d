// The rows of documents.sqlite by which documents get their blocks: a page of a source's documents,
// or of the most used ones, without their texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/sqlite.h"
#include "kvlink/status.h"

namespace kvlink::retrieval {

struct ListedDocument {
  std::string id;
  std::string title;
  int64_t key = 0;      // its row: later documents have larger ones
  int64_t ordinal = 0;  // in its source
  int64_t tokens = 0;
  int64_t text_bytes = 0;
  int64_t uses = 0;  // in prompts
  bool pinned = false;
  std::string block;  // in hex, in the space that was asked for; empty: not known
};

// All of them REQUIRE tables of the newest version.
// By ordinal, behind `after` (nullptr: from the first), at most `limit`.
Result<std::vector<ListedDocument>> PageOfSource(Database& db, const std::string& source,
                                                 const std::string& space,
                                                 const ListedDocument* after, int64_t limit);
// The most used first, of equal ones the newest; ordinals are 0.
Result<std::vector<ListedDocument>> PageOfMostUsed(Database& db, const std::string& space,
                                                   const ListedDocument* after, int64_t limit);
// Each document was in one more prompt. REQUIRES: a transaction is open.
Status CountUses(Database& db, const std::vector<std::string>& ids);

}  // namespace kvlink::retrieval
