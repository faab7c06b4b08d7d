// Walking folders (retrieval/sources.h).
#include "retrieval/sources.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "base/absolute_path.h"
#include "retrieval/formats.h"

namespace kvlink::retrieval {
namespace {

namespace fs = std::filesystem;

// Whether what a link leads to lies in the folder.
bool LinkStaysInside(const std::string& link, const std::string& folder) {
  std::error_code error;
  const fs::path target = fs::canonical(link, error);
  if (error) return false;
  const fs::path root = fs::canonical(folder, error);
  if (error) return false;
  const auto [end, unused] = std::mismatch(root.begin(), root.end(), target.begin(), target.end());
  return end == root.end();
}

constexpr char kLeftOut[] = "; left out";
constexpr char kNoFile[] = ": is a pipe, socket or device, a file expected";

// Walks folders into what was found.
class Walker {
 public:
  Walker(FileSystem& files, FoundSources* found) : files_(files), found_(*found) {}

  // Depth first, by name. A stack, for folders may be nested deeply.
  void Walk(const std::string& root) {
    std::vector<std::pair<std::string, bool>> pending{{root, true}};  // path, is a folder
    while (!pending.empty()) {
      const auto [path, is_directory] = std::move(pending.back());
      pending.pop_back();
      if (!is_directory) {
        found_.paths.push_back(path);
        continue;
      }
      const Result<std::vector<FileInfo>> entries = files_.List(path);
      if (!entries.ok()) {
        Fail(entries.status().message());
        continue;
      }
      for (auto entry = entries->rbegin(); entry != entries->rend(); ++entry) {
        if (entry->name.empty() || entry->name[0] == '.') continue;
        const std::string child = path == "/" ? path + entry->name : path + "/" + entry->name;
        if (entry->is_directory()) {
          pending.emplace_back(child, true);
        } else if (IsText(child, *entry, root)) {
          pending.emplace_back(child, false);
        }
      }
    }
  }

  void Fail(const std::string& what) { found_.failures.push_back(what + kLeftOut); }

 private:
  // Whether the entry is a file to read. Others are counted, named or passed over.
  bool IsText(const std::string& path, const FileInfo& entry, const std::string& root) {
    const Format* format = FormatOfPath(path);
    const bool has_name = format != nullptr;
    FileType type = entry.type;
    if (type == FileType::kSymlink) {
      const Result<FileInfo> target = files_.Stat(path);
      // A link to nowhere is as if it were not there. Folders are walked where they are; what lies
      // outside was not asked for.
      if (target.code() == StatusCode::kNotFound) return false;
      if (!target.ok()) {
        if (has_name) Fail(target.status().message());
        return false;
      }
      if (target->is_directory() || !LinkStaysInside(path, root)) return false;
      type = target->type;
    }
    if (type != FileType::kFile) {
      if (has_name) Fail(path + kNoFile);
      return false;
    }
    if (!has_name && others_.insert(path).second) ++found_.others[EndingOf(path)];
    if (has_name && !IsReadable(*format)) {
      Fail(path + ": " + MissingReader(*format));
      return false;
    }
    return has_name;
  }

  FileSystem& files_;
  FoundSources& found_;
  std::set<std::string> others_;  // that were counted
};

}  // namespace

FoundSources FindSources(FileSystem& files, const std::vector<std::string>& paths) {
  FoundSources found;
  Walker walker(files, &found);
  for (const std::string& given : paths) {
    if (given == "-") {
      found.paths.push_back(given);
      continue;
    }
    if (given.empty()) {
      walker.Fail("a path is empty: a file, a folder, or - expected");
      continue;
    }
    const std::string path = AbsolutePath(given);
    const Result<FileInfo> info = files.Stat(path);
    if (info.code() == StatusCode::kNotFound) {
      walker.Fail(given + ": there is no such file or folder");
    } else if (!info.ok()) {
      walker.Fail(info.status().message());
    } else if (info->is_directory()) {
      walker.Walk(path);
    } else if (info->type != FileType::kFile) {
      walker.Fail(given + kNoFile);
    } else if (FormatOfPath(path) == nullptr) {
      walker.Fail(given + ": its name is of no format that is read (" + ReadableFormats() +
                  "); rename it, or pass its text on standard input: kvlink index - < FILE");
    } else if (!IsReadable(*FormatOfPath(path))) {
      walker.Fail(given + ": " + MissingReader(*FormatOfPath(path)));
    } else {
      found.paths.push_back(path);
    }
  }
  std::set<std::string> seen;
  std::erase_if(found.paths, [&](const std::string& path) { return !seen.insert(path).second; });
  return found;
}

}  // namespace kvlink::retrieval
