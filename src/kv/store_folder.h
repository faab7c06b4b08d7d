// The files of a disk store: where each lies, how a block is published, set aside and removed.
// Not here: rows, budgets and what a caller may see (kv/ledger.h, kv/disk_store.cc).
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "kv/block.h"

namespace kvlink {

struct BlockFile {
  BlockId id{};
  int64_t size_bytes = 0;
};

struct QuarantineTotals {
  int64_t files = 0;
  int64_t bytes = 0;
};

// kFailedPrecondition: what stands there is no folder; kNotFound: nothing does.
Status CheckStorePath(FileSystem& files, const std::string& path);

// Thread-safe. Whatever changes a file REQUIRES the lock.
class StoreFolder {
 public:
  StoreFolder(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  // A FORMAT file of this version or none. kFailedPrecondition: newer, or not ours; kNotFound: no
  // such folder.
  Status CheckFormat();
  Status CreateFolder();    // the folder alone, so that it can be locked
  Status CreateContents();  // the folders inside, and FORMAT
  Result<std::unique_ptr<FileLock>> Lock(int64_t timeout_ms);

  Result<std::vector<BlockFile>> ListBlocks();  // sorted by id; other names are not ours
  bool Contains(const BlockId& id);
  // The block, its id compared with the name. kDataLoss: damaged or foreign.
  Result<std::shared_ptr<const Block>> Open(const BlockId& id, bool verify_planes);

  // Temporary file, fsync, rename, fsync of the folder. Leaves nothing behind when it fails.
  Status Publish(const Block& block);
  Status Remove(const BlockId& id, bool durable);
  Status Quarantine(const BlockId& id, int64_t now_ms);
  Result<QuarantineTotals> Quarantined();
  Result<int64_t> EmptyQuarantine();  // the bytes freed
  // Writers hold the lock until their temporary file is gone, so whoever holds it knows that what
  // lies in tmp/ belongs to the dead.
  void ClearTemporary();
  Status RemoveCatalogue();

  const std::string& path() const { return path_; }
  std::string CataloguePath() const { return path_ + "/catalogue.sqlite"; }
  std::string BlockPath(const BlockId& id) const;

 private:
  std::string ShardPath(const BlockId& id) const;
  Status WriteTemporary(const std::string& path, const Block& block);

  FileSystem& files_;
  const std::string path_;
  std::atomic<uint64_t> serial_{0};
};

}  // namespace kvlink
