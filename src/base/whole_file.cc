// Small files read and written whole, over any FileSystem.
#include <unistd.h>

#include <atomic>

#include "base/bytes.h"
#include "base/file.h"
#include "base/publish.h"

namespace kvlink {
namespace {

// Two writers of one path, in one process or in two, must not share a temporary file.
std::string TemporaryBeside(const std::string& path) {
  static std::atomic<uint64_t> serial{0};
  return path + ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(serial++);
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
  return PublishFile(files, path, TemporaryBeside(path),
                     [&](WritableFile& file) { return file.Append(AsBytes(contents)); });
}

}  // namespace kvlink
