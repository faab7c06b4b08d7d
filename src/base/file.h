// Files: the one seam through which the store, the model readers and the tests' fakes reach the
// disk. Every failure names the path and what the system said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/status.h"

namespace kvlink {

// What tells one state of a file from every other, as the system saw it when the file was mapped.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size_bytes = 0;
  int64_t modified_ns = 0;     // Unix time of the last write
  int64_t changed_ns = 0;      // Unix time of the last write, rename or change of mode or owner
  bool is_ours_alone = false;  // it belongs to this user, and nobody else may write to it
};

// A file mapped read-only. The bytes stay where they are until the last owner goes.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  virtual std::span<const std::byte> bytes() const = 0;
  // Says that the bytes are not needed soon: their pages may leave memory. They stay readable.
  virtual void Release() const {}
  // True once a byte could not be had: the file was cut short, or its disk failed. From there to
  // the end bytes() has zeros now, so whatever was read since is to be thrown away. Costs a load.
  virtual bool damaged() const { return false; }
  // Looks at the file again. kDataLoss: damaged(), or the file under its path is still the mapped
  // one but was written to or cut. A file that was removed or replaced is mapped on as it was.
  virtual Status CheckUnchanged() const { return {}; }
  // Nothing: these bytes are no file of the system.
  virtual std::optional<FileIdentity> identity() const { return {}; }
};

// A file being written, front to back. Closing without Sync promises nothing about a crash.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual Status Append(std::span<const std::byte> bytes) = 0;
  virtual Status Sync() = 0;   // fsync: on return the bytes survive a crash
  virtual Status Close() = 0;  // REQUIRES: called once
};

// An advisory lock between processes, released when destroyed (or when the process dies).
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class FileType { kFile, kDirectory, kSymlink, kOther };  // kOther: FIFO, socket, device

struct FileInfo {
  std::string name;  // without its folder
  int64_t size_bytes = 0;
  FileType type = FileType::kOther;
  int64_t modified_ms = 0;  // Unix time
  int64_t device = 0;       // the file system it lies on, as long as that is mounted

  bool is_directory() const { return type == FileType::kDirectory; }
};

// Who may look at what is made. The store's texts are private.
enum class FileAccess {
  kPrivate,  // 0600, folders 0700
  kByUmask,  // 0666, folders 0777, less what the umask takes
};

// A folder held open: what is done through it is done in that very folder, whatever its path means
// by then, and no link is followed. Names have no slash. Thread-safe.
class Folder {
 public:
  virtual ~Folder() = default;
  virtual Result<std::vector<FileInfo>> List() = 0;  // as FileSystem::List
  // kNotFound: nothing of this name; kFailedPrecondition: no folder, but a link, say.
  virtual Result<std::unique_ptr<Folder>> OpenFolder(const std::string& name) = 0;
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& name,
                                                       FileAccess access) = 0;  // must be new
  virtual Status Remove(const std::string& name) = 0;  // a file or a link, no folder
  virtual Status Rename(const std::string& from, Folder& to_folder, const std::string& to) = 0;
  virtual Status Sync() = 0;
  virtual int descriptor() const = 0;  // of the open folder, for its like alone
};

// Thread-safe. Paths are as the operating system takes them. What is opened is looked at before it
// is used: a FIFO or a device is refused by its kind and never waited for.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  static FileSystem& Posix();

  // The whole of a file, read and not mapped, so that somebody who cuts it meanwhile costs some
  // bytes and nothing more. kInvalidArgument above max_bytes.
  virtual Result<std::string> Read(const std::string& path, int64_t max_bytes) = 0;
  // The same in pieces, front to back, so that memory does not grow with the file. What `take`
  // gives that is not OK ends it, and is given back.
  virtual Status ReadPieces(const std::string& path, int64_t max_bytes,
                            const std::function<Status(std::string_view)>& take) {
    KVLINK_ASSIGN_OR_RETURN(const std::string bytes, Read(path, max_bytes));
    return take(bytes);
  }
  virtual Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) = 0;
  // The file must be new: kFailedPrecondition where something has its name, a link too.
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& path,
                                                       FileAccess access) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  // Durable: the parent of each folder that was made is synced.
  virtual Status CreateDirectories(const std::string& path, FileAccess access) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  // kNotFound and kFailedPrecondition as Folder::OpenFolder; links before the last part of the path
  // are followed.
  virtual Result<std::unique_ptr<Folder>> OpenFolder(const std::string& path) = 0;
  // Sorted by name. Each entry is what it is itself: a link is a link, wherever it leads.
  virtual Result<std::vector<FileInfo>> List(const std::string& directory) = 0;
  // Of what a link leads to. kNotFound means that nothing is there (ENOENT, ENOTDIR) and nothing
  // else does: what cannot be looked at gives another code.
  virtual Result<FileInfo> Stat(const std::string& path) = 0;
  // Waits up to timeout_ms for the lock; kUnavailable when another process keeps it. The file is
  // made if it is missing (kPrivate).
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path, int64_t timeout_ms) = 0;
};

// Whether anything is there. Not knowing is an error, never "no".
Result<bool> Exists(FileSystem& files, const std::string& path);

// "b.json" of "a/b.json".
inline std::string_view FileNameOf(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}

// "a" of "a/b.json", "." of "b.json".
inline std::string FolderOf(std::string_view path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

// 16 hex digits that nobody could foretell.
std::string RandomName();
// A name beside `path` for what becomes it later; nobody else has it or can foretell it.
std::string TemporaryName(const std::string& path);
// Whether TemporaryName gives such a name to a file called `name`.
bool IsTemporaryNameOf(std::string_view name, std::string_view found);

// The whole of a file that is small by nature; kInvalidArgument above max_bytes.
Result<std::string> ReadWholeFile(FileSystem& files, const std::string& path, int64_t max_bytes);
// Temporary file beside `path`, fsync, rename, fsync of the directory.
Status WriteWholeFile(FileSystem& files, const std::string& path, std::string_view contents,
                      FileAccess access = FileAccess::kByUmask);

}  // namespace kvlink
