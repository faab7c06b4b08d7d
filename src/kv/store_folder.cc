// The files of a disk store (kv/store_folder.h).
#include "kv/store_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/bytes.h"
#include "kv/store_names.h"

namespace kvlink::kv {
namespace {

constexpr std::string_view kFormatWord = "kvlink-store ";
constexpr int kFormatVersion = 1;
constexpr std::array<const char*, 3> kInside = {"blocks", "tmp", "quarantine"};
constexpr int64_t kPatienceMs = 30'000;

bool IsInside(std::string_view name) {
  return std::find(kInside.begin(), kInside.end(), name) != kInside.end();
}

// The field of SQLite's header, without opening a database that may be anybody's.
bool HasOurMark(FileSystem& files, const std::string& catalogue) {
  constexpr size_t kOffset = 68;  // application_id, 4 bytes, the highest first
  const auto file = files.Map(catalogue);
  if (!file.ok() || (*file)->bytes().size() < kOffset + 4) return false;
  uint32_t id = 0;
  for (size_t i = 0; i < 4; ++i) {
    id = id << 8 | static_cast<uint32_t>((*file)->bytes()[kOffset + i]);
  }
  return id == kCatalogueMark && (*file)->CheckUnchanged().ok();
}

bool IsShardName(std::string_view name) {
  return name.size() == 2 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool IsDatabase(std::string_view name) {
  return name.starts_with("catalogue.sqlite") || name.starts_with("documents.sqlite");
}

Status WriteBlock(WritableFile& file, const Block& block) {
  Status status = file.Append(block.image());
  if (status.ok()) status = file.Sync();
  const Status closed = file.Close();
  return status.ok() ? closed : status;
}

}  // namespace

Status StoreFolder::CheckFormat() {
  const Result<FileInfo> folder = files_.Stat(path_);
  if (!folder.ok()) return folder.status();
  if (!folder->is_directory()) {
    return FailedPrecondition("the store '" + path_ + "' is not a folder; choose another path");
  }
  const std::string path = path_ + "/FORMAT";
  Result<std::string> text = ReadWholeFile(files_, path, 256);
  if (text.code() == StatusCode::kNotFound) {
    Status unused = CheckUnused();
    if (unused.code() != StatusCode::kFailedPrecondition) return unused;
    text = ReadWholeFile(files_, path, 256);  // another process may have made it in between
    if (text.code() == StatusCode::kNotFound) return unused;
  }
  int version = 0;
  if (text.ok() && text->starts_with(kFormatWord)) {
    const char* const end = text->data() + text->size();
    if (std::from_chars(text->data() + kFormatWord.size(), end, version).ec != std::errc()) {
      version = 0;
    }
  }
  if (version > kFormatVersion) {
    return FailedPrecondition("the store '" + path_ + "' has format " + std::to_string(version) +
                              ", newer than this program's " + std::to_string(kFormatVersion) +
                              "; use a newer kvlink, or another store");
  }
  if (version != kFormatVersion) {
    if (!text.ok() && text.code() != StatusCode::kInvalidArgument) return text.status();
    return FailedPrecondition("'" + path + "' is not of a kvlink store ('" +
                              std::string(kFormatWord) + std::to_string(kFormatVersion) +
                              "' expected); choose another path");
  }
  return {};
}

Status StoreFolder::CheckInside() {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files_.List(path_));
  for (const FileInfo& entry : entries) {
    if (!IsInside(entry.name) || entry.is_directory()) continue;
    return FailedPrecondition(
        "'" + path_ + "/" + entry.name + "' is " +
        (entry.type == FileType::kSymlink ? "a link, which is not followed" : "no folder") +
        "; move it away, or choose another store (a store may be moved as a whole)");
  }
  return {};
}

Status StoreFolder::CheckUnused() {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files_.List(path_));
  // A FORMAT that never got its name is our mark as well: what else bears names of ours then is
  // what a power cut left of a store.
  // Likewise our mark in the catalogue, where FORMAT was lost altogether.
  const bool unfinished = std::any_of(entries.begin(), entries.end(), [&](const FileInfo& entry) {
    return entry.type == FileType::kFile &&
           (IsUnfinishedFormatName(entry.name) ||
            (entry.name == "catalogue.sqlite" && HasOurMark(files_, CataloguePath())));
  });
  for (const FileInfo& entry : entries) {
    bool ours =
        entry.type == FileType::kFile &&
        ((entry.name == "lock" && entry.size_bytes == 0) || IsUnfinishedFormatName(entry.name) ||
         (unfinished && (IsDatabase(entry.name) || entry.name == kStepMarkName)));
    if (entry.is_directory() && IsInside(entry.name)) {
      if (unfinished) continue;
      // Made before FORMAT by older versions.
      KVLINK_ASSIGN_OR_RETURN(const auto inside, files_.List(path_ + "/" + entry.name));
      ours = inside.empty();
    }
    if (!ours) {
      return FailedPrecondition(
          "'" + path_ + "' is not a kvlink store and not empty ('" + entry.name +
          "' is there), so it is left alone; choose a new or an empty folder (or, if it was a "
          "store whose file FORMAT was lost: echo '" +
          std::string(kFormatWord) + std::to_string(kFormatVersion) + "' > FORMAT in it)");
    }
  }
  return NotFound("there is no store in '" + path_ + "' yet");
}

Status StoreFolder::Create(int64_t lock_timeout_ms) {
  KVLINK_RETURN_IF_ERROR(files_.CreateDirectories(path_, FileAccess::kPrivate));
  KVLINK_ASSIGN_OR_RETURN(const auto lock, Lock(lock_timeout_ms));
  Status format = CheckFormat();  // another process may have been faster
  if (format.code() != StatusCode::kNotFound) return format;
  return WriteWholeFile(files_, path_ + "/FORMAT",
                        std::string(kFormatWord) + std::to_string(kFormatVersion) + "\n",
                        FileAccess::kPrivate);
}

Status StoreFolder::CreateContents() {
  for (const char* name : kInside) {
    KVLINK_RETURN_IF_ERROR(
        files_.CreateDirectories(path_ + "/" + std::string(name), FileAccess::kPrivate));
  }
  // Whoever made them may have died before their entries were synced.
  return files_.SyncDirectory(path_);
}

Result<std::unique_ptr<FileLock>> StoreFolder::Lock(int64_t timeout_ms) {
  return files_.Lock(path_ + "/lock", timeout_ms);
}

std::string StoreFolder::BlockPath(const BlockId& id) const {
  return path_ + "/blocks/" + ShardName(id) + "/" + BlockFileName(id);
}

Result<std::unique_ptr<Folder>> StoreFolder::OpenInside(const char* name) {
  return files_.OpenFolder(path_ + "/" + name);
}

Result<std::unique_ptr<Folder>> StoreFolder::OpenShard(const BlockId& id) {
  KVLINK_ASSIGN_OR_RETURN(const auto blocks, OpenInside("blocks"));
  return blocks->OpenFolder(ShardName(id));
}

bool BlockListing::MayHold(const BlockId& id) const { return closed.contains(ShardName(id)); }

Result<BlockListing> StoreFolder::ListBlocks() {
  BlockListing out;
  const auto blocks = OpenInside("blocks");
  if (blocks.code() == StatusCode::kNotFound) return out;
  if (!blocks.ok()) return blocks.status();
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> shards, (*blocks)->List());
  for (const FileInfo& shard : shards) {
    if (!shard.is_directory() || !IsShardName(shard.name)) continue;
    const auto folder = (*blocks)->OpenFolder(shard.name);
    if (folder.code() == StatusCode::kNotFound) continue;
    const auto files = folder.ok() ? (*folder)->List() : folder.status();
    if (!files.ok()) {
      out.closed.emplace(shard.name, files.status());
      continue;
    }
    for (const FileInfo& file : *files) {
      const Result<BlockId> id = IdOfBlockFile(shard.name, file.name);
      if (id.ok() && file.type == FileType::kFile) {
        out.files.push_back({*id, file.size_bytes, file.modified_ms});
      }
    }
  }
  std::sort(out.files.begin(), out.files.end(),
            [](const BlockFile& a, const BlockFile& b) { return a.id < b.id; });
  return out;
}

Status StoreFolder::CheckNoLink(const BlockId& id) const {
  for (const std::string& path : {path_ + "/blocks/" + ShardName(id), BlockPath(id)}) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) continue;
    return FailedPrecondition("'" + path + "' is a link, which is not followed; move it away");
  }
  return {};
}

Result<bool> StoreFolder::Contains(const BlockId& id) {
  const Result<FileInfo> info = files_.Stat(BlockPath(id));
  if (info.code() == StatusCode::kNotFound) return false;
  if (!info.ok()) return info.status();
  return info->type == FileType::kFile && CheckNoLink(id).ok();
}

Result<std::shared_ptr<const Block>> StoreFolder::Open(const BlockId& id, bool verify_planes) {
  const std::string path = BlockPath(id);
  KVLINK_RETURN_IF_ERROR(CheckNoLink(id));
  Result<std::shared_ptr<const MappedFile>> file = files_.Map(path);
  if (!file.ok()) return file.status();
  Result<std::shared_ptr<const Block>> block = OpenBlock(*std::move(file), verify_planes);
  if (!block.ok()) return Status(block.code(), "'" + path + "': " + block.status().message());
  if ((*block)->identity().id != id) {
    return DataLoss("'" + path + "': foreign: it holds the block " +
                    ToHex((*block)->identity().id));
  }
  return block;
}

Status StoreFolder::Publish(const Block& block) {
  const BlockId& id = block.identity().id;
  KVLINK_RETURN_IF_ERROR(
      files_.CreateDirectories(path_ + "/blocks/" + ShardName(id), FileAccess::kPrivate));
  KVLINK_ASSIGN_OR_RETURN(const auto blocks, OpenInside("blocks"));
  // The folder's own entry has to survive a crash as well as the file's in it. Every time: a writer
  // that died between the two calls has left a folder whose entry nobody synced.
  KVLINK_RETURN_IF_ERROR(blocks->Sync());
  KVLINK_ASSIGN_OR_RETURN(const auto shard, blocks->OpenFolder(ShardName(id)));
  auto tmp = OpenInside("tmp");
  if (tmp.code() == StatusCode::kNotFound) {  // somebody tidied it away
    KVLINK_RETURN_IF_ERROR(CreateContents());
    tmp = OpenInside("tmp");
  }
  if (!tmp.ok()) return tmp.status();
  const std::string temporary = NewTemporaryName(id);
  const std::string name = BlockFileName(id);
  Status status = WriteTemporary(**tmp, temporary, block);
  if (status.ok()) status = (*tmp)->Rename(temporary, *shard, name);
  if (!status.ok()) {
    (void)(*tmp)->Remove(temporary);  // the first failure is the one to report
    return status;
  }
  status = shard->Sync();
  // Whether the name would survive a crash is unknown, so it may not be promised to anyone.
  if (!status.ok()) (void)shard->Remove(name);
  return status;
}

Status StoreFolder::WriteTemporary(Folder& folder, const std::string& name, const Block& block) {
  KVLINK_ASSIGN_OR_RETURN(const auto file, folder.Create(name, FileAccess::kPrivate));
  return WriteBlock(*file, block);
}

Status StoreFolder::Remove(const BlockId& id, bool durable) {
  KVLINK_ASSIGN_OR_RETURN(const auto shard, OpenShard(id));
  KVLINK_RETURN_IF_ERROR(shard->Remove(BlockFileName(id)));
  return durable ? shard->Sync() : Status();
}

Status StoreFolder::Quarantine(const BlockId& id, int64_t now_ms) {
  KVLINK_RETURN_IF_ERROR(CreateContents());
  KVLINK_ASSIGN_OR_RETURN(const auto shard, OpenShard(id));
  KVLINK_ASSIGN_OR_RETURN(const auto quarantine, OpenInside("quarantine"));
  return shard->Rename(BlockFileName(id), *quarantine, NewQuarantineName(id, now_ms));
}

Result<QuarantineTotals> StoreFolder::Quarantined() {
  QuarantineTotals totals;
  const auto folder = OpenInside("quarantine");
  if (folder.code() == StatusCode::kNotFound) return totals;
  if (!folder.ok()) return folder.status();
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> files, (*folder)->List());
  for (const FileInfo& file : files) {
    if (file.type != FileType::kFile || !IsQuarantineName(file.name)) continue;
    ++totals.files;
    totals.bytes += file.size_bytes;
  }
  return totals;
}

Result<int64_t> StoreFolder::ClearQuarantine(
    const std::function<bool(std::string_view name)>& goes) {
  int64_t freed = 0;
  const auto folder = OpenInside("quarantine");
  if (folder.code() == StatusCode::kNotFound) return freed;
  if (!folder.ok()) return folder.status();
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> files, (*folder)->List());
  for (const FileInfo& file : files) {
    if (file.type != FileType::kFile || !IsQuarantineName(file.name) || !goes(file.name)) continue;
    const Status removed = (*folder)->Remove(file.name);
    if (removed.code() == StatusCode::kNotFound) continue;  // somebody was faster
    KVLINK_RETURN_IF_ERROR(removed);
    freed += file.size_bytes;
  }
  if (freed > 0) KVLINK_RETURN_IF_ERROR((*folder)->Sync());
  return freed;
}

Result<int64_t> StoreFolder::EmptyQuarantine() {
  return ClearQuarantine([](std::string_view) { return true; });
}

Status StoreFolder::RemoveQuarantined(const std::set<BlockId>& blocks) {
  return ClearQuarantine([&](std::string_view name) {
           const Result<BlockId> id = DigestFromHex(name.substr(0, name.find('-')));
           return id.ok() && blocks.contains(*id);
         })
      .status();
}

void StoreFolder::ClearTemporary() {
  const auto folder = OpenInside("tmp");
  if (!folder.ok()) return;  // the next writer tries again
  const Result<std::vector<FileInfo>> files = (*folder)->List();
  if (!files.ok()) return;
  for (const FileInfo& file : *files) {
    if (file.type == FileType::kFile && IsTemporaryName(file.name)) {
      (void)(*folder)->Remove(file.name);
    }
  }
  const auto root = files_.List(path_);
  if (!root.ok()) return;
  for (const FileInfo& file : *root) {
    if (file.type == FileType::kFile && IsUnfinishedFormatName(file.name)) {
      (void)files_.Remove(path_ + "/" + file.name);
    }
  }
}

Status StoreFolder::RemoveCatalogue() {
  // The log first: beside a newer catalogue it would be taken for that one's.
  for (const char* suffix : {"-wal", "-shm", ""}) {
    Status status = files_.Remove(CataloguePath() + suffix);
    if (!status.ok() && status.code() != StatusCode::kNotFound) return status;
  }
  return {};
}

Result<int64_t> StoreFolder::DatabaseBytes() {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files_.List(path_));
  int64_t bytes = 0;
  for (const FileInfo& entry : entries) {
    if (IsDatabase(entry.name)) bytes += entry.size_bytes;
  }
  return bytes;
}

Status CheckStorePath(FileSystem& files, const std::string& path) {
  return StoreFolder(files, path).CheckFormat();
}

Status PrepareStoreFolder(FileSystem& files, const std::string& path) {
  StoreFolder folder(files, path);
  Status format = folder.CheckFormat();
  return format.code() == StatusCode::kNotFound ? folder.Create(kPatienceMs) : format;
}

}  // namespace kvlink::kv
