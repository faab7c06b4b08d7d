#include "kv/quarantined.h"

#include <vector>

namespace kvlink {

Status RemoveQuarantined(FileSystem& files, const std::string& store,
                         const std::set<std::string>& blocks) {
  const auto folder = files.OpenFolder(store + "/quarantine");
  if (folder.code() == StatusCode::kNotFound) return {};
  if (!folder.ok()) return folder.status();
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, (*folder)->List());
  for (const FileInfo& entry : entries) {
    // <id>-<Unix ms>-... (docs/block-format.md)
    const std::string id = entry.name.substr(0, entry.name.find('-'));
    if (entry.type != FileType::kFile || id == entry.name || blocks.count(id) == 0) continue;
    const Status removed = (*folder)->Remove(entry.name);
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
  }
  return (*folder)->Sync();
}

}  // namespace kvlink
