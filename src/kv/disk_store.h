// Blocks on disk: one file a block, a SQLite catalogue beside them. Layout of the folder:
//   blocks/ab/<id as hex>.kvb   catalogue.sqlite   quarantine/   tmp/   lock   FORMAT
// Publish: tmp file, fsync, rename, fsync of the folder, row. One writer at a time (an advisory
// lock held for one Put), many readers, several processes. The catalogue is rebuilt from the files
// when it is missing or damaged.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "kv/store.h"
#include "kv/store_rules.h"
#include "kv/stored_block.h"

namespace kvlink::kv {

struct DiskStoreOptions {
  std::string path;
  int64_t budget_bytes = 0;  // 0: no limit but the disk's; kept at opening and by every Put
  bool read_only = false;    // Get works, Put gives kFailedPrecondition; nothing is made or removed
  // How long a write waits for others' locks, of the folder and in the catalogue. Opening does not
  // wait for the folder's.
  int64_t lock_timeout_ms = 30'000;
  // For so long after a Put that waited in vain, the next ones fail at once: whoever can do without
  // keeping its blocks waits once.
  int64_t pause_after_busy_ms = 0;
  // A catalogue that cannot be opened (a full disk, a folder in its place) is no failure of
  // opening: lists and eviction go by the files, and only Put fails.
  bool files_suffice = false;
  PinRule is_pinned;            // may be empty: pins of a lost catalogue are lost
  KeepRule before_keeping;      // may be empty
  FileSystem* files = nullptr;  // nullptr: FileSystem::Posix()
  Clock* clock = nullptr;       // nullptr: Clock::System()
  Log log;
};

struct VerifyReport {
  int64_t checked = 0;
  int64_t bytes = 0;
  int64_t quarantined = 0;       // damaged files set aside
  int64_t damaged = 0;           // damaged files left where they are, as the store is read-only
  std::string first_damage;      // one line; empty: none of those
  int64_t unreadable = 0;        // files, and folders of files, that cannot be read; left alone
  std::string first_unreadable;  // one line; empty: none
  int64_t adopted = 0;           // whole files that had no row
  int64_t forgotten = 0;         // rows without a file
};

struct DiskStoreStats {
  int64_t blocks = 0;
  int64_t bytes = 0;
  int64_t tokens = 0;
  int64_t pinned = 0;
  int64_t budget_bytes = 0;
  int64_t quarantined_files = 0;
  int64_t quarantined_bytes = 0;
  int64_t database_bytes = 0;  // the catalogue, the documents, their logs; no budget counts them
  int64_t models = 0;          // how many different models' blocks are here
};

// Thread-safe.
class DiskStore : public BlockStore {
 public:
  // Creates what is missing. If no other process holds the lock: clears tmp/ of what a dead process
  // left, brings rows and files in step and keeps the budget; else the next write does. Errors:
  // kInvalidArgument (the path is empty, the budget negative), kFailedPrecondition (made by a newer
  // version; a folder that is no store and not empty; a database that is not ours),
  // kUnavailable and kResourceExhausted (cannot be opened, with the reason).
  static Result<std::unique_ptr<DiskStore>> Open(const DiskStoreOptions& options);

  virtual Result<std::vector<StoredBlock>> List() = 0;
  virtual Result<DiskStoreStats> Stats() = 0;
  // Reads every byte of every file; sets damaged files aside; mends the catalogue.
  // `progress` (may be empty) gets done and total bytes, and returns false to stop early.
  // A read-only store mends nothing and counts what it found.
  virtual Result<VerifyReport> Verify(const std::function<bool(int64_t, int64_t)>& progress) = 0;
  // Removes least recently used blocks, never pinned ones, until at most budget_bytes are used, and
  // empties quarantine/. Returns the bytes freed. Needs no room. kInvalidArgument: less than 0.
  virtual Result<int64_t> Collect(int64_t budget_bytes) = 0;
  // Removes what was set aside of these blocks: their texts go with them.
  virtual Status RemoveQuarantined(const std::set<BlockId>& blocks) = 0;
  // Pins and unpins blocks as the rule says by their labels; the others stay as they are. Returns
  // how many changed.
  virtual Result<int64_t> ApplyPins(const PinRule& rule) = 0;
  // Labels of all blocks (kv/block.h), for rebuilding what was derived from them. An error, after
  // all that can be read were visited: some cannot be had now.
  virtual Status ForEachLabel(
      const std::function<void(const BlockId&, std::string_view label)>& visit) = 0;
};

}  // namespace kvlink::kv
