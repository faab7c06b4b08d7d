// A folder under the system's temporary one, removed with everything in it at the end.
#pragma once

#include <memory>
#include <string>

#include "kvlink/status.h"

namespace kvlink {

class ScratchFolder {
 public:
  static Result<std::unique_ptr<ScratchFolder>> Create();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace kvlink
