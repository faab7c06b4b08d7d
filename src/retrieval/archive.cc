#include "retrieval/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/quote.h"
#include "retrieval/reader.h"

namespace kvlink::retrieval {
namespace {

constexpr int kMostEntries = 100'000;
constexpr size_t kMostTimes = 200;
constexpr size_t kAlwaysAllowed = 16 << 20;

struct Free {
  void operator()(struct archive* archive) const { archive_read_free(archive); }
};

Status Damaged(struct archive* archive) {
  const char* what = archive_error_string(archive);
  return InvalidArgument(std::string("is a damaged ZIP file: ") +
                         (what == nullptr ? "it cannot be read" : PrintableLine(what)));
}

}  // namespace

Result<ArchiveParts> ReadArchive(std::string_view bytes,
                                 const std::function<bool(std::string_view name)>& wanted) {
  const size_t most = std::min(kMostTextBytes, std::max(kAlwaysAllowed, kMostTimes * bytes.size()));
  const std::unique_ptr<struct archive, Free> archive(archive_read_new());
  if (archive == nullptr) return ResourceExhausted("there is not enough memory to read it");
  archive_read_support_format_zip(archive.get());
  if (archive_read_open_memory(archive.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) {
    return Damaged(archive.get());
  }
  ArchiveParts parts;
  size_t total = 0;
  for (int entries = 0;; ++entries) {
    struct archive_entry* entry = nullptr;
    const int found = archive_read_next_header(archive.get(), &entry);
    if (found == ARCHIVE_EOF) break;
    if (found != ARCHIVE_OK && found != ARCHIVE_WARN) return Damaged(archive.get());
    if (entries == kMostEntries) {
      return InvalidArgument("is a ZIP file of more than " + std::to_string(kMostEntries) +
                             " parts");
    }
    const char* name = archive_entry_pathname_utf8(entry);
    if (name == nullptr) name = archive_entry_pathname(entry);
    if (name == nullptr || !wanted(name) || parts.contains(std::string_view(name))) continue;
    if (archive_entry_is_encrypted(entry) != 0) {
      return InvalidArgument("is encrypted; save it without a password");
    }
    std::string part;
    char buffer[1 << 16];
    for (;;) {
      const la_ssize_t got = archive_read_data(archive.get(), buffer, sizeof buffer);
      if (got < 0) return Damaged(archive.get());
      if (got == 0) break;
      total += static_cast<size_t>(got);
      if (total > most) {
        return InvalidArgument("is a ZIP file whose parts hold more than " +
                               std::to_string(most >> 20) + " MiB, too much for its size");
      }
      part.append(buffer, static_cast<size_t>(got));
    }
    parts.emplace(name, std::move(part));
  }
  return parts;
}

}  // namespace kvlink::retrieval
