#include "engine/scratch_folder.h"

#include <stdlib.h>

#include <filesystem>

namespace kvlink {
namespace {

constexpr std::string_view kPrefix = "kvlink-scratch-";

std::string LockOf(const std::string& folder) { return folder + "/.owner"; }

// Folders whose lock can be had have no owner any more. Other users' cannot be opened and stay.
void RemoveAbandoned(FileSystem& files, const std::string& parent) {
  const auto entries = files.List(parent);
  if (!entries.ok()) return;
  for (const FileInfo& entry : *entries) {
    if (!entry.is_directory() || !entry.name.starts_with(kPrefix)) continue;
    const std::string path = parent + "/" + entry.name;
    const auto lock = files.Lock(LockOf(path), 0);
    std::error_code ignored;
    if (lock.ok()) std::filesystem::remove_all(path, ignored);
  }
}

}  // namespace

Result<std::unique_ptr<ScratchFolder>> ScratchFolder::Create() {
  FileSystem& files = FileSystem::Posix();
  std::error_code error;
  const std::string parent = std::filesystem::temp_directory_path(error).string();
  if (!error) RemoveAbandoned(files, parent);
  // Between its making and its lock somebody may take a folder for abandoned: then another is made.
  for (int attempt = 0; !error && attempt < 10; ++attempt) {
    std::string path = parent + "/" + std::string(kPrefix) + "XXXXXX";
    if (mkdtemp(path.data()) == nullptr) break;
    auto lock = files.Lock(LockOf(path), 0);
    if (lock.ok()) {
      return std::unique_ptr<ScratchFolder>(new ScratchFolder(path, *std::move(lock)));
    }
  }
  return Unavailable("no temporary folder could be made in " + parent +
                     ": set TMPDIR to a folder that can be written");
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace kvlink
