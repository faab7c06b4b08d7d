#include "base/digest_cache.h"

#include <algorithm>
#include <vector>

#include "base/bytes.h"

namespace kvlink {
namespace {

constexpr std::string_view kMagic = "KVLDIGST";
constexpr uint32_t kVersion = 1;
constexpr size_t kMostEntries = 64;
constexpr size_t kEntryBytes = 64;
constexpr int64_t kSettledNs = 2'000'000'000;

Sha256Digest KeyOf(const FileIdentity& file, std::string_view what) {
  return Sha256()
      .Field(what)
      .Field(file.device)
      .Field(file.inode)
      .Field(static_cast<uint64_t>(file.size_bytes))
      .Field(static_cast<uint64_t>(file.modified_ns))
      .Field(static_cast<uint64_t>(file.changed_ns))
      .Finish();
}

}  // namespace

Sha256Digest DigestCache::Get(const MappedFile& file, std::string_view what,
                              const std::function<Sha256Digest()>& compute) const {
  const std::optional<FileIdentity> identity = file.identity();
  if (path_.empty() || !identity) return compute();
  const Sha256Digest key = KeyOf(*identity, what);
  std::vector<Entry> entries = Read();
  const auto known = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  if (known != entries.end()) return known->digest;
  const int64_t now_ns = clock_.UnixMs() * 1'000'000;  // before the bytes are read
  const Sha256Digest digest = compute();
  const int64_t written_ns = std::max(identity->modified_ns, identity->changed_ns);
  if (now_ns - written_ns < kSettledNs || !file.CheckUnchanged().ok()) return digest;
  entries.insert(entries.begin(), {key, digest});
  if (entries.size() > kMostEntries) entries.resize(kMostEntries);
  Write(entries);
  return digest;
}

std::vector<DigestCache::Entry> DigestCache::Read() const {
  const auto file = files_.Map(path_);
  if (!file.ok()) return {};
  const std::optional<FileIdentity> identity = (*file)->identity();
  if (!identity || !identity->is_ours_alone) return {};
  const std::span<const std::byte> bytes = (*file)->bytes();
  ByteReader reader(bytes);
  std::span<const std::byte> magic, rows;
  uint32_t version = 0, count = 0;
  uint64_t checksum = 0;
  if (!reader.ReadSpan(kMagic.size(), &magic) || !reader.Read(&version) || !reader.Read(&count) ||
      !reader.Read(&checksum) || AsText(magic) != kMagic || version != kVersion ||
      count > kMostEntries || reader.remaining() != count * kEntryBytes ||
      !reader.ReadSpan(count * kEntryBytes, &rows) || Xxh3(rows) != checksum) {
    return {};
  }
  std::vector<Entry> entries(count);
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(entries[i].key.data(), rows.data() + i * kEntryBytes, 32);
    std::memcpy(entries[i].digest.data(), rows.data() + i * kEntryBytes + 32, 32);
  }
  if (!(*file)->CheckUnchanged().ok()) return {};
  return entries;
}

void DigestCache::Write(const std::vector<Entry>& entries) const {
  std::string rows;
  for (const Entry& entry : entries) {
    rows += AsText(std::as_bytes(std::span(entry.key)));
    rows += AsText(std::as_bytes(std::span(entry.digest)));
  }
  std::string contents(kMagic);
  const auto append = [&](const auto& number) {
    contents += AsText(std::as_bytes(std::span(&number, 1)));
  };
  append(kVersion);
  append(static_cast<uint32_t>(entries.size()));
  append(Xxh3(AsBytes(rows)));
  contents += rows;
  const std::string folder = FolderOf(path_);
  // A user without a home gets none by this.
  const Result<bool> has_home = Exists(files_, FolderOf(FolderOf(folder)));
  if (!has_home.ok() || !*has_home) return;
  if (!files_.CreateDirectories(folder, FileAccess::kPrivate).ok()) return;
  (void)WriteWholeFile(files_, path_, contents, FileAccess::kPrivate);
}

}  // namespace kvlink
