#include "diagnose/scratch_folder.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace kvlink::diagnose {
namespace {

constexpr std::string_view kPrefix = "kvlink-scratch-";

constexpr std::string_view kDrawn = "XXXXXX";  // for mkdtemp
constexpr std::string_view kOwner = ".owner";  // the lock

std::string LockOf(const std::string& folder) { return folder + "/" + std::string(kOwner); }

// Whether it was made here: the name that mkdtemp gives, nobody else's to look into, with a lock in
// it. Everybody may make folders beside ours, of any name.
bool IsOurs(FileSystem& files, const std::string& parent, const FileInfo& entry) {
  if (!entry.is_directory() || !entry.name.starts_with(kPrefix)) return false;
  const std::string_view drawn = std::string_view(entry.name).substr(kPrefix.size());
  const bool has_name =
      drawn.size() == kDrawn.size() && std::all_of(drawn.begin(), drawn.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      });
  struct stat info {};
  const std::string path = parent + "/" + entry.name;
  if (!has_name || lstat(path.c_str(), &info) != 0 || info.st_uid != geteuid() ||
      (info.st_mode & 0777) != 0700) {
    return false;
  }
  const auto inside = files.List(path);
  return inside.ok() && std::any_of(inside->begin(), inside->end(), [](const FileInfo& file) {
           return file.name == kOwner && file.type == FileType::kFile;
         });
}

// Folders whose lock can be had have no owner any more.
void RemoveAbandoned(FileSystem& files, const std::string& parent) {
  const auto entries = files.List(parent);
  if (!entries.ok()) return;
  for (const FileInfo& entry : *entries) {
    if (!IsOurs(files, parent, entry)) continue;
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
    std::string path = parent + "/" + std::string(kPrefix) + std::string(kDrawn);
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

}  // namespace kvlink::diagnose
