#include "library/store_files.h"

#include <unistd.h>

#include "base/file.h"

namespace kvlink::library {

std::string DocumentsPath(const std::string& store) { return store + "/documents.sqlite"; }

// What cannot be looked at is there: whoever opens it says why it cannot be read.
bool FileExists(const std::string& path) {
  return FileSystem::Posix().Stat(path).code() != StatusCode::kNotFound;
}

bool IsWritable(const std::string& path) { return ::access(path.c_str(), W_OK) == 0; }

}  // namespace kvlink::library
