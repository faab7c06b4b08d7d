// The disk store as callers see it (kv/disk_store.h): who may read and write, what is cached and
// counted. Files are kv/store_folder.h's, rows kv/ledger.h's.
#include "kv/disk_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "kv/ledger.h"
#include "kv/store_folder.h"

namespace kvlink {
namespace {

// Bookkeeping that a reader or a closing store could do without must not make it wait for long.
constexpr int64_t kPatienceMs = 200;

class FileDiskStore final : public DiskStore {
 public:
  explicit FileDiskStore(const DiskStoreOptions& options)
      : options_(options),
        clock_(options.clock != nullptr ? *options.clock : Clock::System()),
        folder_(options.files != nullptr ? *options.files : FileSystem::Posix(), options.path),
        ledger_(folder_, clock_, options_.log) {}

  ~FileDiskStore() override {
    if (options_.read_only || uses_.empty()) return;
    const auto lock = folder_.Lock(kPatienceMs);
    if (lock.ok()) FlushUses();
  }

  Status Initialize();

  Result<std::shared_ptr<const Block>> Get(const BlockId& id) override;
  Status Put(std::shared_ptr<const Block> block) override;
  bool Contains(const BlockId& id) override { return folder_.Contains(id); }
  Status Remove(const BlockId& id) override;
  Status SetPinned(const BlockId& id, bool pinned) override;
  StoreCounters counters() const override;

  Result<std::vector<StoredBlock>> List() override;
  Result<DiskStoreStats> Stats() override;
  Result<VerifyReport> Verify(const std::function<bool(int64_t, int64_t)>& progress) override;
  Result<int64_t> Collect(int64_t budget_bytes) override;
  Status ForEachLabel(const std::function<void(const BlockId&, std::string_view)>& visit) override;

 private:
  Result<std::unique_ptr<FileLock>> LockForWriting();
  std::shared_ptr<const Block> FindOpen(const BlockId& id);
  std::shared_ptr<const Block> KeepOpen(std::shared_ptr<const Block> block);
  void DropOpen(const BlockId& id);
  Status CheckAgainstRow(const Block& block);
  Result<std::shared_ptr<const Block>> Miss(Status why);
  Result<bool> SetAsideIfBad(const BlockId& id);
  Status PutHoldingLock(const Block& block, bool* written);
  void FlushUses();
  Result<std::vector<StoredBlock>> Rows();
  Status ForgetRowsWithoutFiles(VerifyReport* report);

  const DiskStoreOptions options_;
  Clock& clock_;
  StoreFolder folder_;
  Ledger ledger_;

  mutable std::mutex mutex_;                            // guards what follows; never held over I/O
  std::map<BlockId, std::weak_ptr<const Block>> open_;  // verified mappings that are in use
  size_t sweep_at_ = 64;                                // size of open_ that calls for a sweep
  std::map<BlockId, int64_t> uses_;  // when blocks were used, not yet in the catalogue
  StoreCounters counters_;
};

Status FileDiskStore::Initialize() {
  if (options_.path.empty()) return InvalidArgument("a store's path is empty; give a folder");
  Status format = folder_.CheckFormat();
  if (options_.read_only) {
    KVLINK_RETURN_IF_ERROR(format);
    ledger_.OpenReadOnly();
    return {};
  }
  if (!format.ok() && format.code() != StatusCode::kNotFound) return format;
  KVLINK_RETURN_IF_ERROR(folder_.CreateFolder());
  KVLINK_ASSIGN_OR_RETURN(const auto lock, folder_.Lock(options_.lock_timeout_ms));
  KVLINK_RETURN_IF_ERROR(folder_.CreateContents());
  folder_.ClearTemporary();
  return ledger_.Open();
}

Result<std::unique_ptr<FileLock>> FileDiskStore::LockForWriting() {
  if (options_.read_only) {
    return FailedPrecondition("the store '" + options_.path + "' was opened read-only");
  }
  return folder_.Lock(options_.lock_timeout_ms);
}

std::shared_ptr<const Block> FileDiskStore::FindOpen(const BlockId& id) {
  const std::lock_guard lock(mutex_);
  const auto it = open_.find(id);
  std::shared_ptr<const Block> block = it == open_.end() ? nullptr : it->second.lock();
  if (block != nullptr) {
    ++counters_.hits;
    uses_[id] = clock_.UnixMs();
  }
  return block;
}

// Of two threads that opened the same block at once, both go on with one of the two.
std::shared_ptr<const Block> FileDiskStore::KeepOpen(std::shared_ptr<const Block> block) {
  const std::lock_guard lock(mutex_);
  const BlockId& id = block->identity().id;
  ++counters_.hits;
  counters_.bytes_verified += static_cast<int64_t>(block->image().size());
  uses_[id] = clock_.UnixMs();
  std::weak_ptr<const Block>& known = open_[id];
  if (std::shared_ptr<const Block> first = known.lock()) return first;
  known = block;
  if (open_.size() >= sweep_at_) {
    std::erase_if(open_, [](const auto& entry) { return entry.second.expired(); });
    sweep_at_ = std::max<size_t>(64, 2 * open_.size());
  }
  return block;
}

void FileDiskStore::DropOpen(const BlockId& id) {
  const std::lock_guard lock(mutex_);
  open_.erase(id);
  uses_.erase(id);
}

Result<std::shared_ptr<const Block>> FileDiskStore::Miss(Status why) {
  const std::lock_guard lock(mutex_);
  ++counters_.misses;
  return why;
}

// The row is a second witness; where there is none (read-only, locked, new), the file stands alone.
Status FileDiskStore::CheckAgainstRow(const Block& block) {
  const auto row = ledger_.Find(block.identity().id);
  if (!row.ok() || !row->has_value() || (*row)->model == block.identity().model) return {};
  return DataLoss("'" + folder_.BlockPath(block.identity().id) + "': foreign: of the model " +
                  ToHex(block.identity().model) + ", " + ToHex((*row)->model) + " expected");
}

Result<std::shared_ptr<const Block>> FileDiskStore::Get(const BlockId& id) {
  if (auto block = FindOpen(id)) return block;
  Result<std::shared_ptr<const Block>> block = folder_.Open(id, /*verify_planes=*/true);
  if (block.code() == StatusCode::kNotFound) {
    return Miss(NotFound("block " + ToHex(id) + " is not in the store"));
  }
  Status status = block.status();
  if (status.ok()) status = CheckAgainstRow(**block);
  if (status.ok()) return KeepOpen(*std::move(block));
  if (status.code() != StatusCode::kDataLoss) return Miss(status);
  if (!options_.read_only) {
    const auto lock = folder_.Lock(std::min(options_.lock_timeout_ms, kPatienceMs));
    // Where it cannot be set aside now, the next Put or Verify does it.
    if (lock.ok()) (void)SetAsideIfBad(id);
  }
  return Miss(NotFound("damaged and not used: " + status.message()));
}

// REQUIRES: the folder's lock. Looks again first: another process may have replaced the file.
// True: there is no usable file under this name (any more).
Result<bool> FileDiskStore::SetAsideIfBad(const BlockId& id) {
  const auto block = folder_.Open(id, /*verify_planes=*/true);
  if (block.code() == StatusCode::kNotFound) return true;
  Status status = block.status();
  if (status.ok()) status = CheckAgainstRow(**block);
  if (status.ok()) return false;
  if (status.code() != StatusCode::kDataLoss) return status;
  DropOpen(id);
  KVLINK_RETURN_IF_ERROR(ledger_.SetAside(id, status.message()));
  return true;
}

Status FileDiskStore::Put(std::shared_ptr<const Block> block) {
  bool written = false;
  Status status;
  {
    const auto lock = LockForWriting();
    status = lock.ok() ? PutHoldingLock(*block, &written) : lock.status();
  }
  const std::lock_guard guard(mutex_);
  counters_.puts += written;
  counters_.put_failures += !status.ok();
  return status;
}

Status FileDiskStore::PutHoldingLock(const Block& block, bool* written) {
  const BlockId& id = block.identity().id;
  folder_.ClearTemporary();
  FlushUses();
  if (folder_.Contains(id)) {
    KVLINK_ASSIGN_OR_RETURN(const bool gone, SetAsideIfBad(id));
    if (!gone) {
      // What lies there counts: a block of the same id may carry another label.
      KVLINK_ASSIGN_OR_RETURN(const auto kept, folder_.Open(id, /*verify_planes=*/false));
      return ledger_.Record(*kept);
    }
  }
  if (options_.budget_bytes > 0) {
    KVLINK_RETURN_IF_ERROR(
        ledger_.MakeRoom(static_cast<int64_t>(block.image().size()), options_.budget_bytes));
  }
  KVLINK_RETURN_IF_ERROR(folder_.Publish(block));
  Status recorded = ledger_.Record(block);
  if (!recorded.ok()) {
    // A block without a row would not count towards the budget.
    (void)folder_.Remove(id, /*durable=*/false);
    return recorded;
  }
  *written = true;
  return {};
}

Status FileDiskStore::Remove(const BlockId& id) {
  KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
  DropOpen(id);
  Status removed = folder_.Remove(id, /*durable=*/true);
  if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
  KVLINK_RETURN_IF_ERROR(ledger_.Forget({id}));
  if (removed.ok()) return {};
  return NotFound("block " + ToHex(id) + " is not in the store");
}

Status FileDiskStore::SetPinned(const BlockId& id, bool pinned) {
  KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
  return ledger_.SetPinned(id, pinned);
}

StoreCounters FileDiskStore::counters() const {
  const std::lock_guard lock(mutex_);
  StoreCounters counters = counters_;
  counters.quarantined = ledger_.counters().quarantined;
  counters.evicted = ledger_.counters().evicted;
  return counters;
}

// REQUIRES: the folder's lock. Losing some uses makes eviction a little less apt and nothing else.
void FileDiskStore::FlushUses() {
  std::vector<BlockUse> uses;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, used_ms] : uses_) uses.push_back({id, used_ms});
    uses_.clear();
  }
  if (uses.empty()) return;
  const Status status = ledger_.Touch(uses);
  if (!status.ok()) options_.log(Severity::kWarning, "store: uses not kept: " + status.message());
}

Result<std::vector<StoredBlock>> FileDiskStore::Rows() {
  Result<std::vector<StoredBlock>> rows = ledger_.List();
  if (rows.code() != StatusCode::kDataLoss && rows.code() != StatusCode::kInternal) return rows;
  KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
  KVLINK_RETURN_IF_ERROR(ledger_.Mend());
  return ledger_.List();
}

Result<std::vector<StoredBlock>> FileDiskStore::List() {
  KVLINK_ASSIGN_OR_RETURN(std::vector<StoredBlock> rows, Rows());
  const std::lock_guard lock(mutex_);
  for (StoredBlock& row : rows) {
    const auto use = uses_.find(row.id);
    if (use != uses_.end()) row.last_used_ms = std::max(row.last_used_ms, use->second);
  }
  return rows;
}

Result<DiskStoreStats> FileDiskStore::Stats() {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> rows, Rows());
  KVLINK_ASSIGN_OR_RETURN(const QuarantineTotals quarantined, folder_.Quarantined());
  DiskStoreStats stats;
  std::set<Sha256Digest> models;
  for (const StoredBlock& row : rows) {
    ++stats.blocks;
    stats.bytes += row.size_bytes;
    stats.tokens += row.tokens;
    stats.pinned += row.pinned;
    models.insert(row.model);
  }
  stats.models = static_cast<int64_t>(models.size());
  stats.budget_bytes = options_.budget_bytes;
  stats.quarantined_files = quarantined.files;
  stats.quarantined_bytes = quarantined.bytes;
  return stats;
}

// Checks without the lock, so that a long verification holds nobody up; takes it to mend.
Result<VerifyReport> FileDiskStore::Verify(const std::function<bool(int64_t, int64_t)>& progress) {
  VerifyReport report;
  if (!options_.read_only) KVLINK_RETURN_IF_ERROR(ForgetRowsWithoutFiles(&report));
  KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> rows, Rows());
  std::set<BlockId> known;
  for (const StoredBlock& row : rows) known.insert(row.id);
  KVLINK_ASSIGN_OR_RETURN(const std::vector<BlockFile> files, folder_.ListBlocks());
  int64_t total = 0;
  for (const BlockFile& file : files) total += file.size_bytes;
  Status read_only_damage;
  for (const BlockFile& file : files) {
    const auto block = folder_.Open(file.id, /*verify_planes=*/true);
    if (block.code() == StatusCode::kNotFound) continue;  // evicted meanwhile
    ++report.checked;
    report.bytes += file.size_bytes;
    Status status = block.status();
    if (status.ok()) status = CheckAgainstRow(**block);
    if (status.code() == StatusCode::kDataLoss && options_.read_only) {
      if (read_only_damage.ok()) read_only_damage = status;
    } else if (status.code() == StatusCode::kDataLoss) {
      KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
      KVLINK_ASSIGN_OR_RETURN(const bool gone, SetAsideIfBad(file.id));
      report.quarantined += gone;
    } else if (!status.ok()) {
      options_.log(Severity::kWarning, "store: left alone: " + status.message());
    } else if (!known.contains(file.id) && !options_.read_only) {
      KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
      KVLINK_RETURN_IF_ERROR(ledger_.Adopt(file.id));
      ++report.adopted;
    }
    if (progress && !progress(report.bytes, total)) break;
  }
  KVLINK_RETURN_IF_ERROR(read_only_damage);  // nothing could be set aside: it must not look well
  return report;
}

Status FileDiskStore::ForgetRowsWithoutFiles(VerifyReport* report) {
  KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
  KVLINK_RETURN_IF_ERROR(ledger_.Mend());
  KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> rows, ledger_.List());
  std::vector<BlockId> gone;
  for (const StoredBlock& row : rows) {
    if (!folder_.Contains(row.id)) gone.push_back(row.id);
  }
  KVLINK_RETURN_IF_ERROR(ledger_.Forget(gone));
  report->forgotten = static_cast<int64_t>(gone.size());
  return {};
}

Result<int64_t> FileDiskStore::Collect(int64_t budget_bytes) {
  KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
  folder_.ClearTemporary();
  FlushUses();
  KVLINK_ASSIGN_OR_RETURN(const int64_t emptied, folder_.EmptyQuarantine());
  KVLINK_ASSIGN_OR_RETURN(const int64_t evicted, ledger_.Shrink(budget_bytes));
  return emptied + evicted;
}

Status FileDiskStore::ForEachLabel(
    const std::function<void(const BlockId&, std::string_view)>& visit) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<BlockFile> files, folder_.ListBlocks());
  for (const BlockFile& file : files) {
    const auto block = folder_.Open(file.id, /*verify_planes=*/false);
    if (block.ok()) {
      visit(file.id, (*block)->label());
    } else {
      options_.log(Severity::kWarning, "store: no label: " + block.status().message());
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DiskStore>> DiskStore::Open(const DiskStoreOptions& options) {
  auto store = std::make_unique<FileDiskStore>(options);
  KVLINK_RETURN_IF_ERROR(store->Initialize());
  return std::unique_ptr<DiskStore>(std::move(store));
}

}  // namespace kvlink
