// Texts from files and standard input (retrieval/sources.h).
#include "retrieval/sources.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "retrieval/jsonl.h"
#include "retrieval/repaired_text.h"

namespace kvlink {
namespace {

namespace fs = std::filesystem;

// Raised whenever the same bytes would be split differently, so that every source counts as
// changed.
constexpr uint64_t kSplitterVersion = 1;

enum class Format { kUnknown, kText, kMarkdown, kJsonl };

// In small letters, with its point; empty: none.
std::string EndingOf(const std::string& path) {
  std::string ending = fs::path(path).extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return ending;
}

Format FormatOf(const std::string& path) {
  const std::string ending = EndingOf(path);
  if (ending == ".txt") return Format::kText;
  if (ending == ".md") return Format::kMarkdown;
  if (ending == ".jsonl") return Format::kJsonl;
  return Format::kUnknown;
}

std::string Absolute(const std::string& path) {
  std::error_code error;  // no working directory: the path stays as it is
  const fs::path absolute = fs::absolute(path, error);
  std::string normal = (error ? fs::path(path) : absolute).lexically_normal().string();
  if (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

// Whether what a link points to lies in the folder. Links to folders never count: what they point
// to is walked where it is, and they may go round in circles.
bool LinkStaysInside(const std::string& link, const std::string& folder) {
  std::error_code error;
  const fs::path target = fs::canonical(link, error);
  if (error || fs::is_directory(target, error)) return false;
  const fs::path root = fs::canonical(folder, error);
  if (error) return false;
  const auto [end, unused] = std::mismatch(root.begin(), root.end(), target.begin(), target.end());
  return end == root.end();
}

// Appends the folder's files, depth first, by name. A stack, for folders may be nested deeply.
// others: the files that were counted.
Status Walk(FileSystem& files, const std::string& root, FoundSources* out,
            std::set<std::string>* others) {
  std::vector<std::pair<std::string, bool>> pending{{root, true}};  // path, is a folder
  while (!pending.empty()) {
    const auto [path, is_directory] = std::move(pending.back());
    pending.pop_back();
    if (!is_directory) {
      out->paths.push_back(path);
      continue;
    }
    KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(path));
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
      if (entry->name.empty() || entry->name[0] == '.') continue;
      const std::string child = path == "/" ? path + entry->name : path + "/" + entry->name;
      if (entry->type == FileType::kSymlink && !LinkStaysInside(child, root)) continue;
      if (!entry->is_directory() && FormatOf(child) == Format::kUnknown) {
        if (others->insert(child).second) ++out->others[EndingOf(child)];
        continue;
      }
      pending.emplace_back(child, entry->is_directory());
    }
  }
  return {};
}

// "-" has no name to give.
std::string Stem(const std::string& name) {
  return name == "-" ? std::string() : fs::path(name).stem().string();
}

SourceDocument MakeDocument(const std::string& source, std::string title, std::string text,
                            int64_t begin, int64_t end) {
  SourceDocument document;
  document.id = DocumentId(title, text);
  document.title = std::move(title);
  document.text = std::move(text);
  document.source = source;
  document.begin = begin;
  document.end = end;
  return document;
}

std::string Plural(int64_t n, const char* one, const char* many) {
  return std::to_string(n) + " " + (n == 1 ? one : many);
}

Status RefuseBinary(const std::string& name, std::string_view bytes) {
  const size_t nul = bytes.find('\0');
  if (nul == std::string_view::npos) return {};
  if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff")) {
    return InvalidArgument(name +
                           ": is UTF-16, UTF-8 expected; convert it: iconv -f UTF-16 -t "
                           "UTF-8");
  }
  return InvalidArgument(name + ": is a binary file (a NUL at byte " + std::to_string(nul) +
                         "), text expected; leave it out or convert it to text");
}

}  // namespace

std::string DocumentId(std::string_view title, std::string_view text) {
  const Sha256Digest digest = Sha256().Field(title).Field(text).Finish();
  return ToHex(std::span(digest).first(8));
}

Result<FoundSources> FindSources(FileSystem& files, const std::vector<std::string>& paths) {
  FoundSources found;
  std::set<std::string> others;
  for (const std::string& given : paths) {
    if (given == "-") {
      found.paths.push_back(given);
      continue;
    }
    if (given.empty()) return InvalidArgument("a path is empty; give a file, a folder, or -");
    const std::string path = Absolute(given);
    const Result<FileInfo> info = files.Stat(path);
    if (info.code() == StatusCode::kNotFound) {
      return NotFound(given + ": there is no such file or folder");
    }
    if (!info.ok()) return info.status();
    if (info->is_directory()) {
      KVLINK_RETURN_IF_ERROR(Walk(files, path, &found, &others));
    } else if (FormatOf(path) == Format::kUnknown) {
      return InvalidArgument(given +
                             ": only .txt, .md and .jsonl files are read; rename it, or "
                             "pass its text on standard input: kvlink index - < FILE");
    } else {
      found.paths.push_back(path);
    }
  }
  std::set<std::string> seen;
  std::erase_if(found.paths, [&](const std::string& path) { return !seen.insert(path).second; });
  return found;
}

Result<SourceFile> ReadSource(FileSystem& files, const std::string& path,
                              const ReadOptions& options,
                              const std::function<int64_t(std::string_view)>& count_tokens) {
  // Looked at first: a file that changes while it is read counts as changed.
  FileState state = LookAtFile(files, path);
  KVLINK_ASSIGN_OR_RETURN(const std::string bytes,
                          ReadWholeFile(files, path, options.max_file_bytes));
  KVLINK_ASSIGN_OR_RETURN(SourceFile file,
                          ReadSourceText(Absolute(path), bytes, options, count_tokens));
  state.bytes_hash = HashOfBytes(bytes);
  file.state = std::move(state);
  return file;
}

Result<SourceFile> ReadSourceText(const std::string& name, std::string_view bytes,
                                  const ReadOptions& options,
                                  const std::function<int64_t(std::string_view)>& count_tokens) {
  KVLINK_RETURN_IF_ERROR(RefuseBinary(name, bytes));
  SourceFile file;
  file.path = name;
  const Sha256Digest digest = Sha256()
                                  .Field(kSplitterVersion)
                                  .Field(static_cast<uint64_t>(options.max_tokens))
                                  .Field(bytes)
                                  .Finish();
  file.content_hash = ToHex(digest);

  const RepairedText repaired = RepairUtf8(bytes);
  if (repaired.replaced_bytes > 0) {
    file.notes.push_back(name + ": " +
                         Plural(repaired.replaced_bytes, "byte that is not UTF-8 was",
                                "bytes that are not UTF-8 were") +
                         " replaced");
  }
  Format format = FormatOf(name);
  if (format == Format::kUnknown && IsJsonl(repaired.text)) format = Format::kJsonl;
  SplitOptions split;
  split.max_tokens = options.max_tokens;
  split.markdown = format == Format::kMarkdown;

  if (format == Format::kJsonl) {
    KVLINK_ASSIGN_OR_RETURN(const std::vector<JsonlDocument> lines,
                            ParseJsonl(name, repaired.text));
    int64_t without_text = 0;
    for (const JsonlDocument& line : lines) {
      const std::vector<TextPart> parts = SplitText(line.text, split, count_tokens);
      without_text += parts.empty() ? 1 : 0;
      for (const TextPart& part : parts) {
        file.documents.push_back(MakeDocument(name, line.title.empty() ? Stem(name) : line.title,
                                              part.text, repaired.SourceOffset(line.begin),
                                              repaired.SourceOffset(line.end)));
      }
    }
    if (without_text > 0) {
      file.notes.push_back(name + ": " + Plural(without_text, "line has", "lines have") +
                           " no text and gave no document");
    }
  } else {
    for (TextPart& part : SplitText(repaired.text, split, count_tokens)) {
      file.documents.push_back(MakeDocument(
          name, part.title.empty() ? Stem(name) : std::move(part.title), std::move(part.text),
          repaired.SourceOffset(part.begin), repaired.SourceOffset(part.end)));
    }
  }
  if (file.documents.empty()) file.notes.push_back(name + ": is empty and gave no document");
  return file;
}

}  // namespace kvlink
