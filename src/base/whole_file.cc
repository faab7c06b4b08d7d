// Small files read and written whole, over any FileSystem.
#include <unistd.h>

#include <atomic>

#include "base/bytes.h"
#include "base/file.h"

namespace kvlink {
namespace {

std::string FolderOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Two writers of one path, in one process or in two, must not share a temporary file.
std::string TemporaryBeside(const std::string& path) {
  static std::atomic<uint64_t> serial{0};
  return path + ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(serial++);
}

Status WriteAndSync(WritableFile& file, std::string_view contents) {
  Status status = file.Append(AsBytes(contents));
  if (status.ok()) status = file.Sync();
  const Status closed = file.Close();
  return status.ok() ? closed : status;
}

}  // namespace

Result<std::string> ReadWholeFile(FileSystem& files, const std::string& path, int64_t max_bytes) {
  KVLINK_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file, files.Map(path));
  const std::string_view text = AsText(file->bytes());
  if (static_cast<int64_t>(text.size()) > max_bytes) {
    return InvalidArgument("'" + path + "' has " + std::to_string(text.size()) +
                           " bytes, at most " + std::to_string(max_bytes) + " expected");
  }
  return std::string(text);
}

Status WriteWholeFile(FileSystem& files, const std::string& path, std::string_view contents) {
  const std::string temporary = TemporaryBeside(path);
  KVLINK_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, files.Create(temporary));
  Status status = WriteAndSync(*file, contents);
  if (status.ok()) status = files.Rename(temporary, path);
  if (!status.ok()) {
    (void)files.Remove(temporary);  // the first failure is the one to report
    return status;
  }
  return files.SyncDirectory(FolderOf(path));
}

}  // namespace kvlink
