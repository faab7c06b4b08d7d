// A folder under the system's temporary one, removed with everything in it at the end. What killed
// processes left there is removed by the next one that makes such a folder.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "kvlink/status.h"

namespace kvlink::diagnose {

class ScratchFolder {
 public:
  static Result<std::unique_ptr<ScratchFolder>> Create();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  ScratchFolder(std::string path, std::unique_ptr<FileLock> lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  std::unique_ptr<FileLock> lock_;  // says that its owner lives
};

}  // namespace kvlink::diagnose
