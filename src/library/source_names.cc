#include "library/source_names.h"

#include <algorithm>
#include <set>

#include "base/absolute_path.h"
#include "base/figures.h"
#include "library/named_documents.h"

namespace kvlink::library {
namespace {

// Whether a path to prune is there to be read. A folder that lost many files at once has more
// likely lost its disk.
Result<bool> CheckPruned(const std::string& given, bool yes,
                         const std::vector<std::string>& indexed) {
  constexpr int64_t kMany = 2;
  if (given.empty()) return InvalidArgument("--prune: a path is empty: a file or folder expected");
  const std::string path = AbsolutePath(given);
  const int64_t lost = std::count_if(indexed.begin(), indexed.end(),
                                     [&](const auto& source) { return IsUnder(source, path); });
  KVLINK_ASSIGN_OR_RETURN(const bool there, Exists(FileSystem::Posix(), path));
  if (!there && lost == 0) {
    return NotFound("--prune: " + given + ": there is no such file or folder");
  }
  const bool was_file = std::find(indexed.begin(), indexed.end(), path) != indexed.end();
  bool suspicious = !there && !was_file;
  if (there && lost >= kMany) {
    const Result<std::vector<FileInfo>> entries = FileSystem::Posix().List(path);
    suspicious = entries.ok() && entries->empty();
  }
  if (suspicious && !yes) {
    return FailedPrecondition("--prune: " + given + (there ? " is empty" : " is not there") +
                              ", and " + FormatCounted(lost, "indexed file") +
                              " lay in it; if its disk is mounted, forget them with --yes");
  }
  return there;
}

// Of the folder that is left of a path.
int64_t DeviceNearest(FileSystem& files, std::string path) {
  while (path.size() > 1) {
    path = FolderOf(path);
    const Result<FileInfo> info = files.Stat(path);
    if (info.ok()) return info->device;
  }
  return 0;
}

}  // namespace

std::string InputSource(const IndexSources& sources) {
  return sources.input_name.empty() ? kStandardInput : sources.input_name;
}

Result<retrieval::FoundSources> SourcesOf(const IndexSources& sources,
                                          const std::vector<std::string>& indexed) {
  std::vector<std::string> paths;
  for (const std::string& given : sources.paths) {
    bool keep = true;
    if (sources.prune && given != kStandardInput) {
      KVLINK_ASSIGN_OR_RETURN(keep, CheckPruned(given, sources.yes, indexed));
    }
    if (keep) paths.push_back(given);
  }
  retrieval::FoundSources found = retrieval::FindSources(FileSystem::Posix(), paths);
  std::replace(found.paths.begin(), found.paths.end(), std::string(kStandardInput),
               InputSource(sources));
  return found;
}

std::vector<std::string> GoneSources(const IndexSources& sources,
                                     const std::vector<std::string>& present,
                                     const std::map<std::string, retrieval::FileState>& states,
                                     std::vector<std::string>* failures) {
  FileSystem& files = FileSystem::Posix();
  const std::set<std::string> read(present.begin(), present.end());
  std::vector<std::string> gone;
  int64_t unmounted = 0;
  std::string one_unmounted;
  for (const auto& [source, state] : states) {
    if (read.contains(source) || !source.starts_with('/')) continue;
    const bool asked =
        std::any_of(sources.paths.begin(), sources.paths.end(), [&](const std::string& path) {
          return path != kStandardInput && IsUnder(source, AbsolutePath(path));
        });
    if (!asked) continue;
    // Not to be looked at is not gone; a folder in its place is.
    const Result<FileInfo> there = files.Stat(source);
    const bool is_gone = there.ok() ? there->is_directory() : there.code() == StatusCode::kNotFound;
    if (!is_gone && !there.ok()) {
      failures->push_back(there.status().message() + "; kept in the list");
    }
    if (!is_gone) continue;
    if (!sources.yes && state.known() && state.device != DeviceNearest(files, source)) {
      if (unmounted++ == 0) one_unmounted = source;
      continue;
    }
    gone.push_back(source);
  }
  if (unmounted > 0) {
    failures->push_back(FormatCounted(unmounted, "indexed file") +
                        " lay on a disk that is not there now (" + one_unmounted +
                        "); kept in the list: mount it, or forget them with --yes");
  }
  return gone;
}

}  // namespace kvlink::library
