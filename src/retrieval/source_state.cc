#include "retrieval/source_state.h"

#include "base/hash.h"

namespace kvlink::retrieval {
namespace {

constexpr int64_t kMostHashedBytes = 256 << 20;  // what index takes at most

}  // namespace

FileState LookAtFile(FileSystem& files, const std::string& path) {
  const Result<FileInfo> info = files.Stat(path);
  FileState state;
  if (!info.ok() || info->type != FileType::kFile) return state;
  state.size_bytes = info->size_bytes;
  state.modified_ms = info->modified_ms;
  state.device = info->device;
  return state;
}

std::string HashOfBytes(std::string_view bytes) { return ToHex(Sha256().Field(bytes).Finish()); }

std::string_view Name(SourceState state) {
  switch (state) {
    case SourceState::kSame:
      return "same";
    case SourceState::kChanged:
      return "changed";
    case SourceState::kGone:
      return "gone";
    case SourceState::kUnknown:
      break;
  }
  return "unknown";
}

SourceState StateOf(FileSystem& files, const std::string& path, const FileState& indexed) {
  if (!path.starts_with('/')) return SourceState::kUnknown;  // standard input, a kept answer
  const Result<FileInfo> info = files.Stat(path);
  if (info.code() == StatusCode::kNotFound) return SourceState::kGone;
  if (!info.ok() || !indexed.known()) return SourceState::kUnknown;
  if (info->type != FileType::kFile) return SourceState::kChanged;
  if (info->size_bytes != indexed.size_bytes) return SourceState::kChanged;
  if (info->modified_ms == indexed.modified_ms) return SourceState::kSame;
  // Touched, or copied back: the bytes tell.
  const Result<std::string> bytes = ReadWholeFile(files, path, kMostHashedBytes);
  if (!bytes.ok()) return SourceState::kUnknown;
  return HashOfBytes(*bytes) == indexed.bytes_hash ? SourceState::kSame : SourceState::kChanged;
}

}  // namespace kvlink::retrieval
