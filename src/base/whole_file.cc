// Small files read and written whole, names for what is not finished, over any FileSystem.
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>

#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/publish.h"

namespace kvlink {
namespace {

constexpr std::string_view kTemporaryMark = ".tmp-";
constexpr size_t kRandomBytes = 8;

}  // namespace

std::string RandomName() {
  std::array<uint8_t, kRandomBytes> bytes{};
  ssize_t got = -1;
  do {
    got = getrandom(bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(bytes.size())) return ToHex(bytes);
  // A kernel without getrandom. The name can be guessed then; O_EXCL still keeps it apart.
  static std::atomic<uint64_t> serial{0};
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  const Sha256Digest digest = Sha256()
                                  .Field(static_cast<uint64_t>(now))
                                  .Field(static_cast<uint64_t>(getpid()))
                                  .Field(serial++)
                                  .Finish();
  return ToHex(std::span(digest).first(kRandomBytes));
}

std::string TemporaryName(const std::string& path) {
  return path + std::string(kTemporaryMark) + RandomName();
}

bool IsTemporaryNameOf(std::string_view name, std::string_view found) {
  if (!found.starts_with(name)) return false;
  found.remove_prefix(name.size());
  if (!found.starts_with(kTemporaryMark)) return false;
  found.remove_prefix(kTemporaryMark.size());
  return found.size() == 2 * kRandomBytes &&
         found.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<bool> Exists(FileSystem& files, const std::string& path) {
  const Result<FileInfo> info = files.Stat(path);
  if (info.ok()) return true;
  if (info.code() == StatusCode::kNotFound) return false;
  return info.status();
}

Result<std::string> ReadWholeFile(FileSystem& files, const std::string& path, int64_t max_bytes) {
  return files.Read(path, max_bytes);
}

Status WriteWholeFile(FileSystem& files, const std::string& path, std::string_view contents,
                      FileAccess access) {
  return PublishFile(
      files, path, [&](WritableFile& file) { return file.Append(AsBytes(contents)); }, access);
}

}  // namespace kvlink
