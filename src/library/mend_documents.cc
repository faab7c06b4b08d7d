#include "library/mend_documents.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/file.h"
#include "library/label.h"
#include "library/store_files.h"
#include "retrieval/document_index.h"

namespace kvlink::library {
namespace {

constexpr const char* kDatabaseFiles[] = {"", "-wal", "-shm"};

// Moves a database out of the way, its journal too: beside a new database the old journal would be
// taken for the new one's.
Status SetAside(const std::string& path) {
  for (const char* ending : kDatabaseFiles) {
    std::error_code error;
    std::filesystem::rename(path + ending, path + ".damaged" + ending, error);
    if (error && error != std::errc::no_such_file_or_directory) {
      return Unavailable("cannot move " + path + ending + " aside: " + error.message());
    }
  }
  return {};
}

Status RemoveIfThere(const std::string& path) {
  Status removed = FileSystem::Posix().Remove(path);
  return removed.code() == StatusCode::kNotFound ? Status() : removed;
}

// What a restoring left that was killed. One that is still at work finds its file gone and fails.
Status RemoveUnfinished(const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries,
                          FileSystem::Posix().List(FolderOf(path)));
  for (const FileInfo& entry : entries) {
    std::string_view name = entry.name;
    for (const std::string_view ending : {"-wal", "-shm", "-journal"}) {
      if (name.ends_with(ending)) name.remove_suffix(ending.size());
    }
    if (entry.type != FileType::kFile || !IsTemporaryNameOf(FileNameOf(path), name)) continue;
    KVLINK_RETURN_IF_ERROR(RemoveIfThere(FolderOf(path) + "/" + entry.name));
  }
  return {};
}

// Fills a new document database from the blocks' labels. The sources' hashes are not known, so the
// next `index` reads every source again, and finds the blocks there.
Result<int64_t> WriteDocuments(const std::string& path, kv::DiskStore& store) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<kv::StoredBlock> blocks, store.List());
  std::map<kv::BlockId, const kv::StoredBlock*> rows;
  for (const kv::StoredBlock& block : blocks) rows[block.id] = &block;

  struct Found {
    retrieval::SourceDocument document;
    int64_t tokens = 0;
    bool pinned = false;
  };
  // By source and place; the parts of one .jsonl line share a place.
  std::map<std::tuple<std::string, int64_t, std::string>, Found> found;
  std::vector<std::pair<std::string, std::string>> holders;  // document, block
  KVLINK_RETURN_IF_ERROR(store.ForEachLabel([&](const kv::BlockId& id, std::string_view label) {
    std::optional<retrieval::SourceDocument> document = ParseLabel(label);
    if (!document) return;
    holders.emplace_back(document->id, ToHex(id));
    const auto row = rows.find(id);
    Found& entry = found[{document->source, document->begin, document->id}];
    entry.document = *std::move(document);
    if (row != rows.end()) {
      entry.tokens = row->second->tokens;
      entry.pinned |= row->second->pinned;
    }
  }));

  KVLINK_ASSIGN_OR_RETURN(auto index, retrieval::DocumentIndex::Open(path, /*read_only=*/false));
  std::string source;
  int64_t ordinal = 0;
  for (const auto& [place, entry] : found) {
    if (std::get<0>(place) != source) ordinal = 0;
    source = std::get<0>(place);
    KVLINK_RETURN_IF_ERROR(index->Add(entry.document, ordinal++, entry.tokens));
    if (entry.pinned) KVLINK_RETURN_IF_ERROR(index->SetPinned(entry.document.id, true));
  }
  KVLINK_RETURN_IF_ERROR(index->LearnBlocks(holders));
  return static_cast<int64_t>(found.size());
}

// Under its own name only once it is whole: half a list would be taken for a sound one.
Result<int64_t> RestoreDocuments(const std::string& path, kv::DiskStore& store) {
  FileSystem& files = FileSystem::Posix();
  KVLINK_RETURN_IF_ERROR(RemoveUnfinished(path));
  const std::string unfinished = TemporaryName(path);
  const Result<int64_t> restored = WriteDocuments(unfinished, store);
  Status status = restored.status();
  if (status.ok()) {
    // Closing has moved the log into the file, unless the disk was full then.
    const auto log = files.Stat(unfinished + "-wal");
    if (log.ok() && log->size_bytes > 0) {
      status = Unavailable(unfinished +
                           ": its log could not be written back; free some space on the disk and "
                           "try again");
    }
  }
  if (status.ok()) status = SetAside(path);
  if (status.ok()) status = files.Rename(unfinished, path);
  if (!status.ok()) {
    (void)RemoveUnfinished(path);  // the first failure is the one to report
    return status;
  }
  KVLINK_RETURN_IF_ERROR(files.SyncDirectory(FolderOf(path)));
  return *restored;
}

// Not followed if it is a link: opening it says so. An empty file is what a disk that was full, or
// a creation that was killed, leaves of a list.
Result<bool> IsThere(const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries,
                          FileSystem::Posix().List(FolderOf(path)));
  return std::any_of(entries.begin(), entries.end(), [&](const FileInfo& entry) {
    return entry.name == FileNameOf(path) &&
           (entry.type != FileType::kFile || entry.size_bytes > 0);
  });
}

// kDataLoss: the list cannot be read. What follows from it alone is mended where that may be.
Status CheckAndMend(const std::string& path, bool read_only, const Warn& warn) {
  KVLINK_ASSIGN_OR_RETURN(const auto index, retrieval::DocumentIndex::Open(path, read_only));
  for (const std::string& note : index->notes()) warn(note);
  KVLINK_RETURN_IF_ERROR(index->List().status());
  if (read_only) return {};
  KVLINK_ASSIGN_OR_RETURN(const bool mended, index->MendWords());
  if (mended) warn(path + ": the words of its texts were damaged, and were indexed again");
  return {};
}

}  // namespace

Result<int64_t> MendDocuments(const std::string& folder, kv::DiskStore& store, const Warn& warn) {
  const std::string path = DocumentsPath(folder);
  const bool read_only = !IsWritable(folder);
  KVLINK_ASSIGN_OR_RETURN(const bool there, IsThere(path));
  if (!there && read_only) return 0;  // nothing can be restored there
  if (there) {
    Status state = CheckAndMend(path, read_only, warn);
    if (state.code() != StatusCode::kDataLoss || read_only) {
      KVLINK_RETURN_IF_ERROR(state);
      return 0;
    }
    warn("the list of documents is damaged and is moved to " + path +
         ".damaged: " + state.message());
  }
  return RestoreDocuments(path, store);
}

Status RemoveSpareDocuments(const std::string& store) {
  const std::string path = DocumentsPath(store);
  for (const char* ending : kDatabaseFiles) {
    KVLINK_RETURN_IF_ERROR(RemoveIfThere(path + ".damaged" + ending));
  }
  return RemoveUnfinished(path);
}

}  // namespace kvlink::library
