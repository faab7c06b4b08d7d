#include "base/publish.h"

namespace kvlink {
Status PublishFile(FileSystem& files, const std::string& path,
                   const std::function<Status(WritableFile& file)>& write, FileAccess access) {
  const std::string temporary = TemporaryName(path);
  KVLINK_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                          files.Create(temporary, access));
  Status status = write(*file);
  if (status.ok()) status = file->Sync();
  const Status closed = file->Close();
  if (status.ok()) status = closed;
  if (status.ok()) status = files.Rename(temporary, path);
  if (!status.ok()) {
    (void)files.Remove(temporary);  // the first failure is the one to report
    return status;
  }
  return files.SyncDirectory(FolderOf(path));
}

}  // namespace kvlink
