// The rows beside the block files: sizes, use, pins. Everything but use and pins follows from the
// files, which are the truth: Get never depends on a row. Not here: keeping rows and files in step
// (kv/reconciled_catalogue.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/sqlite.h"
#include "kv/stored_block.h"

namespace kvlink::kv {

struct CatalogueTotals {
  int64_t bytes = 0;
  int64_t pinned_bytes = 0;
};

struct CatalogueSummary {
  int64_t blocks = 0;
  int64_t bytes = 0;
  int64_t tokens = 0;
  int64_t pinned = 0;
  int64_t models = 0;  // how many different ones
};

struct BlockUse {
  BlockId id{};
  int64_t used_ms = 0;
};

// Owner: one thread at a time. Writers of several processes take turns by the store's lock, not by
// SQLite's, so that a row and its file change together.
class Catalogue {
 public:
  // Errors: kFailedPrecondition (schema of a newer version), kDataLoss (damaged: remove and rebuild
  // it), kNotFound (read_only and not there), else what the system said.
  // Waits up to busy_timeout_ms for locks that others hold in the database, at each call.
  // check_whole: looks at every page for damage; without, damage is found where it is met.
  static Result<Catalogue> Open(const std::string& path, bool read_only, int busy_timeout_ms,
                                bool check_whole);

  bool is_new() const { return is_new_; }  // its tables were made by Open

  Status Upsert(const StoredBlock& row);
  Status Erase(const std::vector<BlockId>& ids);
  // Keeps the later of the row's time and the given one. Returns the blocks that have no row.
  Result<std::vector<BlockId>> Touch(const std::vector<BlockUse>& uses);
  // Uses beyond now_ms, by a clock that ran ahead, are taken for uses now: nothing would evict
  // them.
  Status ClampUses(int64_t now_ms);
  Result<bool> SetPinned(const BlockId& id, bool pinned);  // durable; false: there is no such row
  Result<std::optional<StoredBlock>> Find(const BlockId& id);
  Result<std::vector<StoredBlock>> List();  // oldest first
  Result<CatalogueTotals> Totals();
  Result<CatalogueSummary> Summary();
  // The least recently used blocks that are not pinned, as many as it takes to free `bytes`.
  Result<std::vector<StoredBlock>> LeastRecentlyUsed(int64_t bytes);

  // False when another process removed and rebuilt the file: this connection sees a ghost.
  bool IsCurrent() const;

 private:
  Catalogue(std::string path, Database db, std::pair<uint64_t, uint64_t> file, bool is_new)
      : path_(std::move(path)), db_(std::move(db)), file_(file), is_new_(is_new) {}

  std::string path_;
  Database db_;
  std::pair<uint64_t, uint64_t> file_;  // device and inode
  bool is_new_ = false;
};

}  // namespace kvlink::kv
