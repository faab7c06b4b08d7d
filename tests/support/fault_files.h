// A FileSystem over the real one that fails on command: the n-th call, a full disk, a torn write,
// a process that dies, a power cut that takes with it what was never synced.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"

namespace kvlink::testing {

enum class Fault {
  kNone,
  kOnce,      // the n-th call fails and does nothing; the next ones work
  kTorn,      // as kOnce, but an Append writes half of its bytes first
  kDiskFull,  // from the n-th call on, whatever needs space fails: Create, CreateDirectories,
              // Append
  kDeath,     // from the n-th call on, nothing happens any more: what a killed process leaves
};

// Thread-safe. Counts every call that could fail, those through its WritableFiles as well. Real
// syncs are not done (they are slow, and this class itself says what a power cut takes).
class FaultFiles : public FileSystem {
 public:
  // The n-th call from now on, counted from 0, is the first to suffer.
  void Arm(Fault fault, int64_t n);
  int64_t calls() const;
  int64_t faults() const;  // calls that failed by command
  // Sync and SyncDirectory say OK and do nothing, like a disk that lies.
  void DropSyncs(bool drop);
  // Undoes what was not synced: a file keeps half of its bytes, a name goes back to what it was.
  // Every object made from this FileSystem must be gone.
  void PowerCut();

  Result<std::string> Read(const std::string& path, int64_t max_bytes) override;
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path, FileAccess access) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status CreateDirectories(const std::string& path, FileAccess access) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::unique_ptr<Folder>> OpenFolder(const std::string& path) override;
  Result<std::vector<FileInfo>> List(const std::string& directory) override;
  Result<FileInfo> Stat(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, int64_t timeout_ms) override;

 private:
  friend class FaultWritableFile;
  friend class FaultFolder;
  enum class Kind { kRead, kNeedsSpace, kOther };
  Status Enter(Kind kind, const char* call, const std::string& path, bool* torn = nullptr);
  void MarkSynced(const std::string& path);
  void MarkFolderSynced(const std::string& path);
  void MarkRenamed(const std::string& from, const std::string& to);
  std::unique_ptr<WritableFile> Created(const std::string& path,
                                        std::unique_ptr<WritableFile> file);

  FileSystem& real_ = FileSystem::Posix();
  mutable std::mutex mutex_;
  Fault fault_ = Fault::kNone;
  int64_t countdown_ = 0;
  int64_t calls_ = 0;
  int64_t faults_ = 0;
  bool drop_syncs_ = false;
  std::set<std::string> unsynced_files_;
  struct Name {
    std::string from;  // empty: created
    std::string to;
  };
  std::vector<Name> unsynced_names_;  // oldest first
};

}  // namespace kvlink::testing
