#include "base/publish.h"

namespace kvlink {
namespace {

// What a killed process left beside `path`. A file that is being written is locked by its writer
// (FileSystem::Create), so that whatever can be locked is nobody's.
void RemoveAbandoned(FileSystem& files, const std::string& path) {
  const std::string folder = FolderOf(path);
  const Result<std::vector<FileInfo>> entries = files.List(folder);
  if (!entries.ok()) return;  // it costs room, and the next writer tries again
  for (const FileInfo& entry : *entries) {
    if (entry.type != FileType::kFile || !IsTemporaryNameOf(FileNameOf(path), entry.name)) continue;
    const std::string abandoned = folder + "/" + entry.name;
    const auto lock = files.Lock(abandoned, 0);
    if (lock.ok()) (void)files.Remove(abandoned);
  }
}

}  // namespace

Status PublishFile(FileSystem& files, const std::string& path,
                   const std::function<Status(WritableFile& file)>& write, FileAccess access) {
  RemoveAbandoned(files, path);
  const std::string temporary = TemporaryName(path);
  KVLINK_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                          files.Create(temporary, access));
  Status status = write(*file);
  if (status.ok()) status = file->Sync();
  // Closed last: until it has its name nobody may take it for abandoned.
  if (status.ok()) status = files.Rename(temporary, path);
  if (!status.ok()) (void)files.Remove(temporary);  // the first failure is the one to report
  const Status closed = file->Close();
  KVLINK_RETURN_IF_ERROR(status);
  KVLINK_RETURN_IF_ERROR(closed);
  return files.SyncDirectory(FolderOf(path));
}

}  // namespace kvlink
