// Texts from files and standard input (retrieval/sources.h).
#include "retrieval/sources.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "base/absolute_path.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "retrieval/formats.h"
#include "retrieval/read_format.h"
#include "retrieval/titles.h"

namespace kvlink {
namespace {

namespace fs = std::filesystem;

// Raised whenever the same bytes would be split differently, so that every source counts as
// changed.
constexpr uint64_t kSplitterVersion = 5;

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

}  // namespace

std::string DocumentId(std::string_view title, std::string_view text) {
  const Sha256Digest digest = Sha256().Field(title).Field(text).Finish();
  return ToHex(std::span(digest).first(8));
}

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

Result<SourceFile> ReadSource(FileSystem& files, const std::string& path,
                              const ReadOptions& options,
                              const std::function<int64_t(std::string_view)>& count_tokens) {
  // Looked at first: a file that changes while it is read counts as changed.
  FileState state = LookAtFile(files, path);
  KVLINK_ASSIGN_OR_RETURN(const std::string bytes,
                          ReadWholeFile(files, path, options.max_file_bytes));
  KVLINK_ASSIGN_OR_RETURN(SourceFile file,
                          ReadSourceText(AbsolutePath(path), bytes, options, count_tokens));
  state.bytes_hash = HashOfBytes(bytes);
  file.state = std::move(state);
  return file;
}

Result<SourceFile> ReadSourceText(const std::string& name, std::string_view bytes,
                                  const ReadOptions& options,
                                  const std::function<int64_t(std::string_view)>& count_tokens) {
  const Format* format = &FormatOfBytes(name, bytes);
  const auto named = [&](const Status& status) {
    return Status(status.code(), name + ": " + status.message());
  };
  Result<DecodedFile> decoded = DecodeFile(*format, bytes);
  if (!decoded.ok()) return named(decoded.status());
  const RepairedText& repaired = decoded->text;
  const int64_t data_uris = decoded->data_uris;
  const bool has_name = FormatOfPath(name) != nullptr;
  const bool jsonl = format->kind == FileKind::kJsonl ||
                     (!has_name && format->kind == FileKind::kText && IsJsonl(repaired.text));
  SourceFile file;
  file.path = name;
  const Sha256Digest digest = Sha256()
                                  .Field(kSplitterVersion)
                                  .Field(static_cast<uint64_t>(options.max_tokens))
                                  .Field(options.keys.text)
                                  .Field(options.keys.title)
                                  .Field(bytes)
                                  .Finish();
  file.content_hash = ToHex(digest);

  if (!repaired.charset.empty()) {
    file.notes.push_back(name + ": is not UTF-8 and was read as " + repaired.charset);
  }
  if (repaired.replaced_bytes > 0) {
    file.notes.push_back(name + ": " +
                         Plural(repaired.replaced_bytes, "byte that is not UTF-8 was",
                                "bytes that are not UTF-8 were") +
                         " replaced");
  }
  if (data_uris > 0) {
    file.notes.push_back(name + ": " +
                         Plural(data_uris, "embedded file (data:...;base64) was",
                                "embedded files (data:...;base64) were") +
                         " left out");
  }
  if (format->kind == FileKind::kText && LooksLikeHtml(repaired.text)) {
    file.notes.push_back(name + ": is HTML, whose tags are taken as text; name it .html");
  }

  const int64_t most_title_tokens = MostTitleTokens(options.max_tokens);
  int64_t cut_titles = 0;
  const auto title_of = [&](const std::string& title) {
    bool cut = false;
    std::string bounded =
        BoundedTitle(title.empty() ? Stem(name) : title, most_title_tokens, count_tokens, &cut);
    cut_titles += cut ? 1 : 0;
    return bounded;
  };
  if (jsonl) {
    JsonlLines lines = ParseJsonl(name, repaired.text, options.keys);
    if (lines.documents.empty() && !lines.failures.empty()) {
      // As if the file could not be read: what was known of it stays.
      const size_t others = lines.failures.size() - 1;
      return InvalidArgument(
          lines.failures[0] +
          (others == 0 ? ""
                       : "; nor is any other of its " +
                             Plural(static_cast<int64_t>(others) + 1, "line", "lines") + " right"));
    }
    file.failures = std::move(lines.failures);
    int64_t without_text = 0;
    for (const JsonlDocument& line : lines.documents) {
      const std::vector<TextPart> parts =
          SplitText(line.text, {}, options.max_tokens, count_tokens);
      without_text += parts.empty() ? 1 : 0;
      if (parts.empty()) continue;
      const std::string title = title_of(line.title);
      for (const TextPart& part : parts) {
        file.documents.push_back(MakeDocument(name, title, part.text,
                                              repaired.SourceOffset(line.begin),
                                              repaired.SourceOffset(line.end)));
      }
    }
    if (without_text > 0) {
      file.notes.push_back(name + ": " + Plural(without_text, "line has", "lines have") +
                           " no text and gave no document");
    }
  } else {
    const Result<FileText> read = ReadDecoded(*format, repaired);
    if (!read.ok()) return named(read.status());
    for (const std::string& note : read->notes) file.notes.push_back(name + ": " + note);
    for (TextPart& part :
         SplitText(read->text, read->structure, options.max_tokens, count_tokens)) {
      const Place place =
          read->map.PlaceOf({static_cast<size_t>(part.begin), static_cast<size_t>(part.end)});
      file.documents.push_back(
          MakeDocument(name, title_of(part.title), std::move(part.text), place.begin, place.end));
      file.documents.back().unit = read->map.unit;
    }
  }
  if (cut_titles > 0) {
    file.notes.push_back(name + ": " + Plural(cut_titles, "title", "titles") + " of more than " +
                         std::to_string(most_title_tokens) + " tokens " +
                         (cut_titles == 1 ? "was" : "were") + " cut");
  }
  if (file.documents.empty()) file.notes.push_back(name + ": is empty and gave no document");
  return file;
}

}  // namespace kvlink
