// A file that is whole or not there: written beside its place, synced, renamed over it.
#pragma once

#include <functional>
#include <string>

#include "base/file.h"

namespace kvlink {

// `write` appends the contents to a temporary file in path's folder, which is then synced and
// renamed over `path`; the folder is synced last. On a failure before the rename `path` is as it
// was and the temporary file is gone.
Status PublishFile(FileSystem& files, const std::string& path,
                   const std::function<Status(WritableFile& file)>& write,
                   FileAccess access = FileAccess::kByUmask);

}  // namespace kvlink
