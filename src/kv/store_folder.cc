// The files of a disk store (kv/store_folder.h).
#include "kv/store_folder.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/bytes.h"

namespace kvlink {
namespace {

constexpr std::string_view kFormatWord = "kvlink-store ";
constexpr int kFormatVersion = 1;
constexpr std::string_view kSuffix = ".kvb";

Status WriteBlock(WritableFile& file, const Block& block) {
  Status status = file.Append(block.image());
  if (status.ok()) status = file.Sync();
  const Status closed = file.Close();
  return status.ok() ? closed : status;
}

}  // namespace

Status CheckStorePath(FileSystem& files, const std::string& path) {
  const Result<FileInfo> folder = files.Stat(path);
  if (!folder.ok()) return folder.status();
  if (!folder->is_directory()) {
    return FailedPrecondition("the store '" + path + "' is not a folder; choose another path");
  }
  return {};
}

Status StoreFolder::CheckFormat() {
  KVLINK_RETURN_IF_ERROR(CheckStorePath(files_, path_));
  const std::string path = path_ + "/FORMAT";
  const Result<std::string> text = ReadWholeFile(files_, path, 256);
  if (text.code() == StatusCode::kNotFound) return {};
  int version = 0;
  if (text.ok() && text->starts_with(kFormatWord)) {
    const char* const end = text->data() + text->size();
    if (std::from_chars(text->data() + kFormatWord.size(), end, version).ec != std::errc()) {
      version = 0;
    }
  }
  if (version == kFormatVersion) return {};
  if (version > kFormatVersion) {
    return FailedPrecondition("the store '" + path_ + "' has format " + std::to_string(version) +
                              ", newer than this program's " + std::to_string(kFormatVersion) +
                              "; use a newer kvlink, or another store");
  }
  if (!text.ok() && text.code() != StatusCode::kInvalidArgument) return text.status();
  return FailedPrecondition("'" + path + "' is not of a kvlink store ('" +
                            std::string(kFormatWord) + std::to_string(kFormatVersion) +
                            "' expected); choose another path");
}

Status StoreFolder::CreateFolder() { return files_.CreateDirectories(path_, FileAccess::kPrivate); }

Status StoreFolder::CreateContents() {
  for (const char* name : {"/blocks", "/tmp", "/quarantine"}) {
    KVLINK_RETURN_IF_ERROR(files_.CreateDirectories(path_ + name, FileAccess::kPrivate));
  }
  KVLINK_ASSIGN_OR_RETURN(const bool has_format, Exists(files_, path_ + "/FORMAT"));
  if (has_format) return files_.SyncDirectory(path_);
  (void)files_.SyncDirectory(path_ + "/..");  // that folder may be closed to us, then it stays so
  return WriteWholeFile(files_, path_ + "/FORMAT",
                        std::string(kFormatWord) + std::to_string(kFormatVersion) + "\n",
                        FileAccess::kPrivate);
}

Result<std::unique_ptr<FileLock>> StoreFolder::Lock(int64_t timeout_ms) {
  return files_.Lock(path_ + "/lock", timeout_ms);
}

std::string StoreFolder::ShardPath(const BlockId& id) const {
  return path_ + "/blocks/" + ToHex(std::span(id).first(1));
}

std::string StoreFolder::BlockPath(const BlockId& id) const {
  return ShardPath(id) + "/" + ToHex(id) + std::string(kSuffix);
}

Result<std::vector<BlockFile>> StoreFolder::ListBlocks() {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> shards, files_.List(path_ + "/blocks"));
  std::vector<BlockFile> out;
  for (const FileInfo& shard : shards) {
    if (!shard.is_directory()) continue;
    KVLINK_ASSIGN_OR_RETURN(const std::vector<FileInfo> files,
                            files_.List(path_ + "/blocks/" + shard.name));
    for (const FileInfo& file : files) {
      const std::string_view name = file.name;
      if (file.is_directory() || !name.ends_with(kSuffix) || !name.starts_with(shard.name))
        continue;
      const Result<BlockId> id = DigestFromHex(name.substr(0, name.size() - kSuffix.size()));
      // Only the one spelling that BlockPath gives, else one file would answer to two names.
      if (id.ok() && BlockPath(*id).ends_with("/" + shard.name + "/" + file.name)) {
        out.push_back({*id, file.size_bytes});
      }
    }
  }
  std::sort(out.begin(), out.end(),
            [](const BlockFile& a, const BlockFile& b) { return a.id < b.id; });
  return out;
}

bool StoreFolder::Contains(const BlockId& id) {
  const Result<FileInfo> info = files_.Stat(BlockPath(id));
  return info.ok() && !info->is_directory();
}

Result<std::shared_ptr<const Block>> StoreFolder::Open(const BlockId& id, bool verify_planes) {
  const std::string path = BlockPath(id);
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
  const std::string shard = ShardPath(id);
  KVLINK_RETURN_IF_ERROR(files_.CreateDirectories(shard, FileAccess::kPrivate));
  // The folder's own entry has to survive a crash as well as the file's in it. Every time: a writer
  // that died between the two calls has left a folder whose entry nobody synced.
  KVLINK_RETURN_IF_ERROR(files_.SyncDirectory(path_ + "/blocks"));
  const std::string temporary = path_ + "/tmp/" + ToHex(std::span(id).first(8)) + "-" +
                                std::to_string(getpid()) + "-" + std::to_string(serial_++);
  Status status = WriteTemporary(temporary, block);
  if (status.ok()) status = files_.Rename(temporary, BlockPath(id));
  if (!status.ok()) {
    (void)files_.Remove(temporary);  // the first failure is the one to report
    return status;
  }
  status = files_.SyncDirectory(shard);
  // Whether the name would survive a crash is unknown, so it may not be promised to anyone.
  if (!status.ok()) (void)files_.Remove(BlockPath(id));
  return status;
}

Status StoreFolder::WriteTemporary(const std::string& path, const Block& block) {
  Result<std::unique_ptr<WritableFile>> file = files_.Create(path, FileAccess::kPrivate);
  if (file.code() == StatusCode::kNotFound) {  // somebody tidied tmp/ away
    KVLINK_RETURN_IF_ERROR(files_.CreateDirectories(path_ + "/tmp", FileAccess::kPrivate));
    file = files_.Create(path, FileAccess::kPrivate);
  }
  if (!file.ok()) return file.status();
  return WriteBlock(**file, block);
}

Status StoreFolder::Remove(const BlockId& id, bool durable) {
  KVLINK_RETURN_IF_ERROR(files_.Remove(BlockPath(id)));
  return durable ? files_.SyncDirectory(ShardPath(id)) : Status();
}

Status StoreFolder::Quarantine(const BlockId& id, int64_t now_ms) {
  KVLINK_RETURN_IF_ERROR(files_.CreateDirectories(path_ + "/quarantine", FileAccess::kPrivate));
  return files_.Rename(BlockPath(id), path_ + "/quarantine/" + ToHex(id) + "-" +
                                          std::to_string(now_ms) + "-" + std::to_string(getpid()) +
                                          "-" + std::to_string(serial_++));
}

Result<QuarantineTotals> StoreFolder::Quarantined() {
  QuarantineTotals totals;
  const Result<std::vector<FileInfo>> files = files_.List(path_ + "/quarantine");
  if (files.code() == StatusCode::kNotFound) return totals;
  if (!files.ok()) return files.status();
  for (const FileInfo& file : *files) {
    ++totals.files;
    totals.bytes += file.size_bytes;
  }
  return totals;
}

Result<int64_t> StoreFolder::EmptyQuarantine() {
  const std::string folder = path_ + "/quarantine";
  int64_t freed = 0;
  const Result<std::vector<FileInfo>> files = files_.List(folder);
  if (files.code() == StatusCode::kNotFound) return freed;
  if (!files.ok()) return files.status();
  for (const FileInfo& file : *files) {
    if (file.is_directory()) continue;
    KVLINK_RETURN_IF_ERROR(files_.Remove(folder + "/" + file.name));
    freed += file.size_bytes;
  }
  return freed;
}

void StoreFolder::ClearTemporary() {
  const Result<std::vector<FileInfo>> files = files_.List(path_ + "/tmp");
  if (!files.ok()) return;  // the next writer tries again
  for (const FileInfo& file : *files) {
    if (!file.is_directory()) (void)files_.Remove(path_ + "/tmp/" + file.name);
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

}  // namespace kvlink
