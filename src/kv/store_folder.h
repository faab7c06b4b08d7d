// The files of a disk store: where each lies, how a block is published, set aside and removed.
// Only what kvlink made is touched: a folder without FORMAT is no store, no link inside is
// followed, and of the files only those with names that kvlink gives are removed, in the folder
// that was looked at. Not here: rows, budgets and what a caller may see (kv/reconciled_catalogue.h,
// kv/disk_store.cc).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "kv/block.h"

namespace kvlink::kv {

struct BlockFile {
  BlockId id{};
  int64_t size_bytes = 0;
  int64_t modified_ms = 0;  // Unix time: when the block was made
};

struct BlockListing {
  std::vector<BlockFile> files;          // sorted by id
  std::map<std::string, Status> closed;  // shards that could not be looked into, and why

  // Whether the block's file may be in one of those.
  bool MayHold(const BlockId& id) const;
};

struct QuarantineTotals {
  int64_t files = 0;
  int64_t bytes = 0;
};

// Thread-safe. Whatever changes a file REQUIRES the lock.
class StoreFolder {
 public:
  StoreFolder(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  // OK: a store of this version. kNotFound: none yet, and one may be made here (nothing there, an
  // empty folder, what a creation left that was cut short). kFailedPrecondition: a newer version's,
  // or a folder that is somebody else's. Changes nothing.
  Status CheckFormat();
  // kFailedPrecondition: a link or a file stands where a folder of ours belongs.
  Status CheckInside();
  // Makes the folder, FORMAT first, where CheckFormat says kNotFound. Takes the lock itself.
  Status Create(int64_t lock_timeout_ms);
  Status CreateContents();  // the folders inside that are missing
  Result<std::unique_ptr<FileLock>> Lock(int64_t timeout_ms);

  Result<BlockListing> ListBlocks();  // other names are not ours
  Result<bool> Contains(const BlockId& id);
  // The block, its id compared with the name. kDataLoss: damaged or foreign.
  Result<std::shared_ptr<const Block>> Open(const BlockId& id, bool verify_planes);

  // Temporary file, fsync, rename, fsync of the folder. Leaves nothing behind when it fails.
  Status Publish(const Block& block);
  Status Remove(const BlockId& id, bool durable);
  Status Quarantine(const BlockId& id, int64_t now_ms);
  Result<QuarantineTotals> Quarantined();
  Result<int64_t> EmptyQuarantine();  // the bytes freed
  // What was set aside of these blocks still holds their texts.
  Status RemoveQuarantined(const std::set<BlockId>& blocks);
  // Writers hold the lock until their temporary file is gone, so whoever holds it knows that what
  // they named in tmp/ belongs to the dead.
  void ClearTemporary();
  Status RemoveCatalogue();
  // What the databases beside the blocks take: catalogue.sqlite, documents.sqlite and their logs.
  Result<int64_t> DatabaseBytes();

  const std::string& path() const { return path_; }
  std::string CataloguePath() const { return path_ + "/catalogue.sqlite"; }
  std::string BlockPath(const BlockId& id) const;

 private:
  // REQUIRES: no FORMAT is there. Whether the folder is still nobody's.
  Status CheckUnused();
  Result<std::unique_ptr<Folder>> OpenInside(const char* name);
  Result<std::unique_ptr<Folder>> OpenShard(const BlockId& id);
  // Removes what kvlink set aside and `goes` names by its file's name; gives the bytes freed.
  Result<int64_t> ClearQuarantine(const std::function<bool(std::string_view name)>& goes);
  // kFailedPrecondition: the block's file, or its folder, is a link.
  Status CheckNoLink(const BlockId& id) const;
  Status WriteTemporary(Folder& folder, const std::string& name, const Block& block);

  FileSystem& files_;
  const std::string path_;
};

// Makes a store's folder, empty, where there is none yet, so that its other files may be put there
// before the first block. kFailedPrecondition as StoreFolder::CheckFormat.
Status PrepareStoreFolder(FileSystem& files, const std::string& path);

// Whether a store is at `path`. Errors as StoreFolder::CheckFormat; kNotFound: none is.
Status CheckStorePath(FileSystem& files, const std::string& path);

}  // namespace kvlink::kv
