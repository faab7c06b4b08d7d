#include "kv/best_store.h"

#include "kv/store_folder.h"

namespace kvlink::kv {

Result<std::unique_ptr<DiskStore>> OpenBestStore(
    DiskStoreOptions options, const std::function<void(const std::string&)>& warn) {
  Status format = CheckStorePath(FileSystem::Posix(), options.path);
  if (format.code() == StatusCode::kFailedPrecondition) return format;
  Result<std::unique_ptr<DiskStore>> disk = DiskStore::Open(options);
  if (!disk.ok() && !options.read_only) {
    const Status why = disk.status();
    options.read_only = true;
    disk = DiskStore::Open(options);
    if (disk.ok()) warn("the store is only read, new blocks are not kept: " + why.message());
  }
  if (disk.ok()) return disk;
  warn("going on without the store, documents are computed again: " + disk.status().message());
  return std::unique_ptr<DiskStore>();
}

}  // namespace kvlink::kv
