// The disk store as callers see it (kv/disk_store.h): who may read and write, what is cached and
// counted. Files are kv/store_folder.h's, rows kv/reconciled_catalogue.h's.
#include "kv/disk_store.h"

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "kv/reconciled_catalogue.h"
#include "kv/store_folder.h"

namespace kvlink::kv {
namespace {

// Bookkeeping that a reader or a closing store could do without must not make it wait for long.
constexpr int64_t kPatienceMs = 200;

bool Describes(const StoredBlock& row, const Block& block) {
  return row.model == block.identity().model && row.tokens == block.shape().tokens &&
         row.dtype == block.shape().dtype &&
         row.size_bytes == static_cast<int64_t>(block.image().size());
}

CatalogueSummary SummaryOf(const std::vector<StoredBlock>& rows) {
  CatalogueSummary summary;
  std::set<Sha256Digest> models;
  for (const StoredBlock& row : rows) {
    ++summary.blocks;
    summary.bytes += row.size_bytes;
    summary.tokens += row.tokens;
    summary.pinned += row.pinned;
    models.insert(row.model);
  }
  summary.models = static_cast<int64_t>(models.size());
  return summary;
}

// The folder's lock, within which files and rows may be changed.
class WriteLock {
 public:
  WriteLock(std::unique_ptr<FileLock> lock, ReconciledCatalogue& catalogue)
      : lock_(std::move(lock)), catalogue_(catalogue) {}
  ~WriteLock() { catalogue_.EndChanges(); }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

 private:
  const std::unique_ptr<FileLock> lock_;
  ReconciledCatalogue& catalogue_;
};

class FileDiskStore final : public DiskStore {
 public:
  explicit FileDiskStore(const DiskStoreOptions& options)
      : options_(options),
        clock_(options.clock != nullptr ? *options.clock : Clock::System()),
        folder_(options.files != nullptr ? *options.files : FileSystem::Posix(), options.path),
        catalogue_(options.files != nullptr ? *options.files : FileSystem::Posix(), folder_, clock_,
                   options_.log, options_.is_pinned, options_.lock_timeout_ms) {}

  ~FileDiskStore() override {
    try {
      if (options_.read_only || uses_.empty() || !CheckNotPaused().ok()) return;
      const auto lock = LockFor(kPatienceMs);
      if (lock.ok()) (void)FlushUses();
    } catch (const std::exception&) {  // no memory: some uses are lost, and nothing else
    }
  }

  Status Initialize();

  Result<std::shared_ptr<const Block>> Get(const BlockId& id) override;
  Status Put(std::shared_ptr<const Block> block, bool pinned) override;
  bool Contains(const BlockId& id) override {
    const Result<bool> there = folder_.Contains(id);
    return there.ok() && *there;
  }
  Status Remove(const BlockId& id) override;
  Status SetPinned(const BlockId& id, bool pinned) override;
  void NoteUse(const BlockId& id) override;
  StoreCounters counters() const override;

  Result<std::vector<StoredBlock>> List() override;
  Result<DiskStoreStats> Stats() override;
  Result<VerifyReport> Verify(const std::function<bool(int64_t, int64_t)>& progress) override;
  Result<int64_t> Collect(int64_t budget_bytes) override;
  Status RemoveQuarantined(const std::set<BlockId>& blocks) override;
  Result<int64_t> ApplyPins(const PinRule& rule) override;
  Status ForEachLabel(const std::function<void(const BlockId&, std::string_view)>& visit) override;

 private:
  Status OpenLedger();
  Result<std::unique_ptr<WriteLock>> LockFor(int64_t timeout_ms);
  Result<std::unique_ptr<WriteLock>> LockForWriting();
  std::shared_ptr<const Block> FindOpen(const BlockId& id);
  std::shared_ptr<const Block> KeepOpen(std::shared_ptr<const Block> block);
  void DropOpen(const BlockId& id);
  Result<std::shared_ptr<const Block>> Miss(Status why);
  Result<bool> SetAsideIfBad(const BlockId& id);
  Status PutHoldingLock(const Block& block, bool pinned, bool* written);
  Status CheckNotPaused();
  void PauseAfter(const Status& put);
  Status FlushUses();
  Result<std::vector<StoredBlock>> Rows();
  Status ForgetRowsWithoutFiles(VerifyReport* report);

  const DiskStoreOptions options_;
  Clock& clock_;
  StoreFolder folder_;
  ReconciledCatalogue catalogue_;

  mutable std::mutex mutex_;                            // guards what follows; never held over I/O
  std::map<BlockId, std::weak_ptr<const Block>> open_;  // verified mappings that are in use
  size_t sweep_at_ = 64;                                // size of open_ that calls for a sweep
  std::map<BlockId, int64_t> uses_;  // when blocks were used, not yet in the catalogue
  StoreCounters counters_;
  double paused_until_ms_ = 0;  // by the monotonic clock
  Status why_paused_;
};

Status FileDiskStore::Initialize() {
  if (options_.path.empty()) return InvalidArgument("a store's path is empty; give a folder");
  if (options_.budget_bytes < 0) {
    return InvalidArgument("a store's budget is " + std::to_string(options_.budget_bytes) +
                           " bytes; 0 (no limit) or more expected");
  }
  Status format = folder_.CheckFormat();
  if (options_.read_only) {
    KVLINK_RETURN_IF_ERROR(format);
    KVLINK_RETURN_IF_ERROR(folder_.CheckInside());
    catalogue_.OpenReadOnly();
    return {};
  }
  if (format.code() == StatusCode::kNotFound) format = folder_.Create(options_.lock_timeout_ms);
  KVLINK_RETURN_IF_ERROR(format);
  KVLINK_RETURN_IF_ERROR(folder_.CheckInside());
  const auto lock = folder_.Lock(0);
  if (lock.code() == StatusCode::kUnavailable) {
    // Whoever has it may take long, and reading needs no lock. The first write does the rest.
    catalogue_.OpenWithoutLock();
    return {};
  }
  if (!lock.ok()) return lock.status();
  return OpenLedger();
}

// REQUIRES: the folder's lock.
Status FileDiskStore::OpenLedger() {
  KVLINK_RETURN_IF_ERROR(folder_.CreateContents());
  folder_.ClearTemporary();
  const Status opened = catalogue_.Open();
  if (!opened.ok() && options_.files_suffice) {
    options_.log(Severity::kWarning, "store: going by its files alone: " + opened.message());
    catalogue_.OpenWithoutLock();
    return {};
  }
  KVLINK_RETURN_IF_ERROR(opened);
  if (options_.budget_bytes == 0) return {};
  KVLINK_RETURN_IF_ERROR(catalogue_.BeginChanges());
  const Status kept = catalogue_.KeepBudget(options_.budget_bytes);
  catalogue_.EndChanges();
  if (!kept.ok()) options_.log(Severity::kWarning, "store: over its budget: " + kept.message());
  return {};
}

Result<std::unique_ptr<WriteLock>> FileDiskStore::LockFor(int64_t timeout_ms) {
  KVLINK_ASSIGN_OR_RETURN(auto lock, folder_.Lock(std::min(options_.lock_timeout_ms, timeout_ms)));
  KVLINK_RETURN_IF_ERROR(catalogue_.BeginChanges());
  return std::make_unique<WriteLock>(std::move(lock), catalogue_);
}

Result<std::unique_ptr<WriteLock>> FileDiskStore::LockForWriting() {
  if (options_.read_only) {
    return FailedPrecondition("the store '" + options_.path + "' was opened read-only");
  }
  return LockFor(options_.lock_timeout_ms);
}

std::shared_ptr<const Block> FileDiskStore::FindOpen(const BlockId& id) {
  std::shared_ptr<const Block> block;
  {
    const std::lock_guard lock(mutex_);
    const auto it = open_.find(id);
    if (it != open_.end()) block = it->second.lock();
  }
  if (block == nullptr) return nullptr;
  const bool unchanged = block->CheckUnchanged().ok();  // looks at the file: not under the mutex
  const std::lock_guard lock(mutex_);
  if (!unchanged) {
    ++counters_.damaged_in_use;
    open_.erase(id);
    return nullptr;
  }
  ++counters_.hits;
  uses_[id] = clock_.UnixMs();
  return block;
}

void FileDiskStore::NoteUse(const BlockId& id) {
  const std::lock_guard lock(mutex_);
  uses_[id] = clock_.UnixMs();
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

Result<std::shared_ptr<const Block>> FileDiskStore::Get(const BlockId& id) {
  if (auto block = FindOpen(id)) return block;
  Result<std::shared_ptr<const Block>> block = folder_.Open(id, /*verify_planes=*/true);
  if (block.code() == StatusCode::kNotFound) {
    return Miss(NotFound("block " + ToHex(id) + " is not in the store"));
  }
  const Status& status = block.status();
  if (status.ok()) return KeepOpen(*std::move(block));
  if (status.code() != StatusCode::kDataLoss) return Miss(status);
  if (!options_.read_only && CheckNotPaused().ok()) {
    const auto lock = LockFor(kPatienceMs);
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
  const Status& status = block.status();
  if (status.ok()) return false;
  if (status.code() != StatusCode::kDataLoss) return status;
  DropOpen(id);
  KVLINK_RETURN_IF_ERROR(catalogue_.SetAside(id, status.message()));
  return true;
}

Status FileDiskStore::Put(std::shared_ptr<const Block> block, bool pinned) {
  bool written = false;
  Status status = CheckNotPaused();
  if (status.ok()) {
    const auto lock = LockForWriting();
    status = lock.ok() ? PutHoldingLock(*block, pinned, &written) : lock.status();
    PauseAfter(status);
  }
  const std::lock_guard guard(mutex_);
  counters_.puts += written;
  counters_.put_failures += !status.ok();
  return status;
}

// What the Put that began the pause said is said again.
Status FileDiskStore::CheckNotPaused() {
  const std::lock_guard lock(mutex_);
  return clock_.MonotonicMs() < paused_until_ms_ ? why_paused_ : Status();
}

void FileDiskStore::PauseAfter(const Status& put) {
  if (put.code() != StatusCode::kUnavailable || options_.pause_after_busy_ms == 0) return;
  const std::lock_guard lock(mutex_);
  why_paused_ = put;
  paused_until_ms_ = clock_.MonotonicMs() + static_cast<double>(options_.pause_after_busy_ms);
}

Status FileDiskStore::PutHoldingLock(const Block& block, bool pinned, bool* written) {
  const BlockId& id = block.identity().id;
  folder_.ClearTemporary();
  // Whoever keeps the catalogue's lock keeps it for the row as well: waiting once is enough.
  if (Status flushed = FlushUses(); flushed.code() == StatusCode::kUnavailable) return flushed;
  if (options_.before_keeping) {
    KVLINK_RETURN_IF_ERROR(options_.before_keeping(block.label(), ToHex(id)));
  }
  KVLINK_ASSIGN_OR_RETURN(const bool there, folder_.Contains(id));
  if (there) {
    KVLINK_ASSIGN_OR_RETURN(const bool gone, SetAsideIfBad(id));
    if (!gone) {
      // What lies there counts: a block of the same id may carry another label.
      KVLINK_ASSIGN_OR_RETURN(const auto kept, folder_.Open(id, /*verify_planes=*/false));
      return catalogue_.Record(*kept, pinned);
    }
  }
  if (options_.budget_bytes > 0) {
    KVLINK_RETURN_IF_ERROR(
        catalogue_.MakeRoom(static_cast<int64_t>(block.image().size()), options_.budget_bytes));
  }
  KVLINK_RETURN_IF_ERROR(folder_.Publish(block));
  Status recorded = catalogue_.Record(block, pinned);
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
  KVLINK_RETURN_IF_ERROR(catalogue_.Forget({id}));
  if (removed.ok()) return {};
  return NotFound("block " + ToHex(id) + " is not in the store");
}

Status FileDiskStore::SetPinned(const BlockId& id, bool pinned) {
  KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
  return catalogue_.SetPinned(id, pinned);
}

StoreCounters FileDiskStore::counters() const {
  const std::lock_guard lock(mutex_);
  StoreCounters counters = counters_;
  counters.quarantined = catalogue_.counters().quarantined;
  counters.evicted = catalogue_.counters().evicted;
  return counters;
}

// REQUIRES: the folder's lock. Losing some uses makes eviction a little less apt and nothing else.
Status FileDiskStore::FlushUses() {
  std::vector<BlockUse> uses;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, used_ms] : uses_) uses.push_back({id, used_ms});
    uses_.clear();
  }
  if (uses.empty()) return {};
  Status status = catalogue_.Touch(uses);
  if (!status.ok()) options_.log(Severity::kInfo, "store: uses not kept: " + status.message());
  return status;
}

Result<std::vector<StoredBlock>> FileDiskStore::Rows() {
  Result<std::vector<StoredBlock>> rows = catalogue_.List();
  if (rows.code() == StatusCode::kDataLoss || rows.code() == StatusCode::kInternal) {
    const auto lock = LockFor(kPatienceMs);
    if (lock.ok() && catalogue_.Mend().ok()) rows = catalogue_.List();
  }
  // Somebody else's lock or a full disk: the files tell the same, only more slowly.
  return rows.ok() ? std::move(rows) : catalogue_.ListFromFiles();
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
  Result<CatalogueSummary> summary = catalogue_.Summary();
  if (!summary.ok()) {
    KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> rows, Rows());
    summary = SummaryOf(rows);
  }
  KVLINK_ASSIGN_OR_RETURN(const QuarantineTotals quarantined, folder_.Quarantined());
  KVLINK_ASSIGN_OR_RETURN(const int64_t database_bytes, folder_.DatabaseBytes());
  DiskStoreStats stats;
  stats.blocks = summary->blocks;
  stats.bytes = summary->bytes;
  stats.tokens = summary->tokens;
  stats.pinned = summary->pinned;
  stats.models = summary->models;
  stats.budget_bytes = options_.budget_bytes;
  stats.database_bytes = database_bytes;
  stats.quarantined_files = quarantined.files;
  stats.quarantined_bytes = quarantined.bytes;
  return stats;
}

// Checks without the lock, so that a long verification holds nobody up; takes it to mend.
Result<VerifyReport> FileDiskStore::Verify(const std::function<bool(int64_t, int64_t)>& progress) {
  VerifyReport report;
  if (!options_.read_only) KVLINK_RETURN_IF_ERROR(ForgetRowsWithoutFiles(&report));
  KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> rows, Rows());
  std::map<BlockId, const StoredBlock*> known;
  for (const StoredBlock& row : rows) known[row.id] = &row;
  KVLINK_ASSIGN_OR_RETURN(const BlockListing listing, folder_.ListBlocks());
  const auto cannot_read = [&](const Status& why) {
    if (report.unreadable++ == 0) report.first_unreadable = why.message();
    options_.log(Severity::kWarning, "store: left alone: " + why.message());
  };
  for (const auto& [shard, why] : listing.closed) cannot_read(why);
  int64_t total = 0;
  int64_t done = 0;
  for (const BlockFile& file : listing.files) total += file.size_bytes;
  for (const BlockFile& file : listing.files) {
    const auto block = folder_.Open(file.id, /*verify_planes=*/true);
    if (block.code() == StatusCode::kNotFound) continue;  // evicted meanwhile
    done += file.size_bytes;
    const bool read = block.ok() || block.code() == StatusCode::kDataLoss;
    report.checked += read;
    report.bytes += read ? file.size_bytes : 0;
    const Status& status = block.status();
    if (status.code() == StatusCode::kDataLoss && options_.read_only) {
      if (report.damaged++ == 0) report.first_damage = status.message();
    } else if (status.code() == StatusCode::kDataLoss) {
      KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
      KVLINK_ASSIGN_OR_RETURN(const bool gone, SetAsideIfBad(file.id));
      report.quarantined += gone;
    } else if (!status.ok()) {
      cannot_read(status);
    } else if (!options_.read_only) {
      const auto row = known.find(file.id);
      // The file is the truth: a row that says otherwise of it is written anew.
      if (row == known.end() || !Describes(*row->second, **block)) {
        KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
        KVLINK_RETURN_IF_ERROR(catalogue_.Adopt(file.id));
        ++report.adopted;
      }
    }
    if (progress && !progress(done, total)) break;
  }
  return report;
}

Status FileDiskStore::ForgetRowsWithoutFiles(VerifyReport* report) {
  KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
  KVLINK_RETURN_IF_ERROR(catalogue_.Mend());
  KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> rows, catalogue_.List());
  std::vector<BlockId> gone;
  for (const StoredBlock& row : rows) {
    const Result<bool> there = folder_.Contains(row.id);
    if (there.ok() && !*there) gone.push_back(row.id);
  }
  KVLINK_RETURN_IF_ERROR(catalogue_.Forget(gone));
  report->forgotten = static_cast<int64_t>(gone.size());
  return {};
}

Result<int64_t> FileDiskStore::Collect(int64_t budget_bytes) {
  if (budget_bytes < 0) {
    return InvalidArgument("a budget of " + std::to_string(budget_bytes) +
                           " bytes; 0 or more expected");
  }
  KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
  folder_.ClearTemporary();
  KVLINK_ASSIGN_OR_RETURN(const int64_t emptied, folder_.EmptyQuarantine());
  (void)FlushUses();
  Result<int64_t> evicted = catalogue_.Shrink(budget_bytes);
  if (!evicted.ok() && options_.files_suffice) evicted = catalogue_.ShrinkByFiles(budget_bytes);
  if (!evicted.ok()) return evicted.status();
  return emptied + *evicted;
}

Status FileDiskStore::RemoveQuarantined(const std::set<BlockId>& blocks) {
  KVLINK_ASSIGN_OR_RETURN(const auto lock, LockForWriting());
  return folder_.RemoveQuarantined(blocks);
}

Result<int64_t> FileDiskStore::ApplyPins(const PinRule& rule) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> rows, Rows());
  int64_t changed = 0;
  for (const StoredBlock& row : rows) {
    const auto block = folder_.Open(row.id, /*verify_planes=*/false);
    if (!block.ok()) continue;  // Verify's business
    const std::optional<bool> pinned = rule((*block)->label());
    if (!pinned || *pinned == row.pinned) continue;
    const Status set = SetPinned(row.id, *pinned);
    if (set.code() == StatusCode::kNotFound) continue;  // evicted meanwhile
    KVLINK_RETURN_IF_ERROR(set);
    ++changed;
  }
  return changed;
}

Status FileDiskStore::ForEachLabel(
    const std::function<void(const BlockId&, std::string_view)>& visit) {
  KVLINK_ASSIGN_OR_RETURN(const BlockListing listing, folder_.ListBlocks());
  Status failure;
  for (const auto& [shard, why] : listing.closed) failure = why;
  for (const BlockFile& file : listing.files) {
    const auto block = folder_.Open(file.id, /*verify_planes=*/false);
    const StatusCode code = block.code();
    if (block.ok()) {
      visit(file.id, (*block)->label());
    } else if (code == StatusCode::kUnavailable || code == StatusCode::kResourceExhausted) {
      failure = block.status();
    } else {
      options_.log(Severity::kWarning, "store: no label: " + block.status().message());
    }
  }
  return failure;
}

}  // namespace

Result<std::unique_ptr<DiskStore>> DiskStore::Open(const DiskStoreOptions& options) {
  auto store = std::make_unique<FileDiskStore>(options);
  KVLINK_RETURN_IF_ERROR(store->Initialize());
  return std::unique_ptr<DiskStore>(std::move(store));
}

}  // namespace kvlink::kv
