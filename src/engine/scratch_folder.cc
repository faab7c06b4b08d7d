#include "engine/scratch_folder.h"

#include <stdlib.h>

#include <filesystem>

namespace kvlink {

Result<std::unique_ptr<ScratchFolder>> ScratchFolder::Create() {
  std::error_code error;
  std::string path = std::filesystem::temp_directory_path(error).string() + "/kvlink-XXXXXX";
  if (error || mkdtemp(path.data()) == nullptr) {
    return Unavailable("no temporary folder could be made at " + path +
                       ": set TMPDIR to a folder that can be written");
  }
  return std::unique_ptr<ScratchFolder>(new ScratchFolder(std::move(path)));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace kvlink
