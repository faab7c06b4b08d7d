// Files: the one seam through which the store, the model readers and the tests' fakes reach the
// disk. Every failure names the path and what the system said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kvlink/status.h"

namespace kvlink {

// A file mapped read-only. The bytes stay where they are until the last owner goes.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  virtual std::span<const std::byte> bytes() const = 0;
  // Says that the bytes are not needed soon: their pages may leave memory. They stay readable.
  virtual void Release() const {}
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

struct FileInfo {
  std::string name;  // without its folder
  int64_t size_bytes = 0;
  bool is_directory = false;
};

// Thread-safe. Paths are as the operating system takes them.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  static FileSystem& Posix();

  virtual Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) = 0;
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& path) = 0;  // truncates
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  virtual Status CreateDirectories(const std::string& path) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  virtual Result<std::vector<FileInfo>> List(const std::string& directory) = 0;  // sorted by name
  virtual Result<FileInfo> Stat(const std::string& path) = 0;
  // Waits up to timeout_ms for the lock; kUnavailable when another process keeps it.
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path, int64_t timeout_ms) = 0;
};

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

// The whole of a file that is small by nature; kInvalidArgument above max_bytes.
Result<std::string> ReadWholeFile(FileSystem& files, const std::string& path, int64_t max_bytes);
// Temporary file beside `path`, fsync, rename, fsync of the directory.
Status WriteWholeFile(FileSystem& files, const std::string& path, std::string_view contents);

}  // namespace kvlink
