// Rows and files in step (kv/reconciled_catalogue.h).
#include "kv/reconciled_catalogue.h"

#include <algorithm>
#include <map>

#include "base/check.h"

namespace kvlink::kv {
namespace {

// kInternal: SQL that cannot fail on our schema failed, so the schema is not ours.
bool MeansDamaged(const Status& status) {
  return status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kInternal;
}

StoredBlock RowOf(const Block& block, int64_t now_ms) {
  StoredBlock row;
  row.id = block.identity().id;
  row.model = block.identity().model;
  row.size_bytes = static_cast<int64_t>(block.image().size());
  row.tokens = block.shape().tokens;
  row.dtype = block.shape().dtype;
  row.created_ms = now_ms;
  row.last_used_ms = now_ms;
  return row;
}

// A reader goes by the files instead.
constexpr int64_t kPatienceOfReadingMs = 200;

}  // namespace

Result<Catalogue> ReconciledCatalogue::OpenRows(bool read_only, bool check_whole) {
  const int64_t patience_ms =
      read_only ? std::min(busy_timeout_ms_, kPatienceOfReadingMs) : busy_timeout_ms_;
  return Catalogue::Open(folder_.CataloguePath(), read_only, static_cast<int>(patience_ms),
                         check_whole);
}

// Of a file that lies there without one.
StoredBlock ReconciledCatalogue::RowOfFound(const Block& block, int64_t now_ms) const {
  StoredBlock row = RowOf(block, now_ms);
  if (is_pinned_) row.pinned = is_pinned_(block.label()).value_or(false);
  return row;
}

void ReconciledCatalogue::OpenReadOnly() {
  read_only_ = true;
  OpenWithoutLock();
}

void ReconciledCatalogue::OpenWithoutLock() {
  const std::lock_guard lock(mutex_);
  rows_are_read_only_ = true;
  // Damage shows in what is read, and the files tell the same.
  Result<Catalogue> rows = OpenRows(/*read_only=*/true, /*check_whole=*/false);
  if (rows.ok()) {
    rows_.emplace(*std::move(rows));
  } else {
    log_(Severity::kInfo, "store: going by its files alone: " + rows.status().message());
  }
}

Status ReconciledCatalogue::Open() {
  const std::lock_guard lock(mutex_);
  in_step_ = mark_.IsSet();
  Status status = OpenHeld();
  if (MeansDamaged(status)) {
    log_(Severity::kWarning, "store: catalogue is damaged: " + status.message());
    status = RebuildHeld();
  }
  if (!status.ok()) return status;
  if (!mark_.IsSet()) mark_.Set();
  return {};
}

// Leaves rows that may be written and are in step, or none.
Status ReconciledCatalogue::OpenHeld() {
  rows_.reset();
  KVLINK_ASSIGN_OR_RETURN(Catalogue rows, OpenRows(/*read_only=*/false, !in_step_));
  if (rows.is_new()) in_step_ = false;
  rows_.emplace(std::move(rows));
  rows_are_read_only_ = false;
  Status status;
  if (in_step_) {
    status = rows_->ClampUses(clock_.UnixMs());
  } else {
    status = mark_.Take().status();
    if (status.ok()) status = ReconcileHeld();
  }
  if (!status.ok()) rows_.reset();
  return status;
}

Status ReconciledCatalogue::BeginChanges() {
  const std::lock_guard lock(mutex_);
  KVLINK_ASSIGN_OR_RETURN(in_step_, mark_.Take());
  return {};
}

void ReconciledCatalogue::EndChanges() {
  const std::lock_guard lock(mutex_);
  if (in_step_) mark_.Set();
}

Status ReconciledCatalogue::Mend() {
  return WithRows([](Catalogue& rows) { return rows.List().status(); });
}

Status ReconciledCatalogue::RebuildHeld() {
  log_(Severity::kWarning, "store: building '" + folder_.CataloguePath() + "' anew from the files" +
                               (is_pinned_ ? "" : "; pins are lost"));
  rows_.reset();
  KVLINK_RETURN_IF_ERROR(folder_.RemoveCatalogue());
  return OpenHeld();  // a new one, so all files are looked at
}

Status ReconciledCatalogue::ReconcileHeld() {
  KVLINK_ASSIGN_OR_RETURN(const BlockListing listing, folder_.ListBlocks());
  KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> rows, rows_->List());
  std::map<BlockId, int64_t> sizes;
  for (const BlockFile& file : listing.files) sizes.emplace(file.id, file.size_bytes);
  std::vector<BlockId> gone;
  for (const StoredBlock& row : rows) {
    const auto file = sizes.find(row.id);
    if (file == sizes.end()) {
      if (!listing.MayHold(row.id)) gone.push_back(row.id);
    } else if (file->second == row.size_bytes) {
      sizes.erase(file);  // in step; what remains in `sizes` is to be looked at
    }
  }
  KVLINK_RETURN_IF_ERROR(rows_->Erase(gone));
  KVLINK_RETURN_IF_ERROR(rows_->ClampUses(clock_.UnixMs()));
  for (const auto& [id, size] : sizes) KVLINK_RETURN_IF_ERROR(AdoptHeld(id));
  in_step_ = true;
  return {};
}

Status ReconciledCatalogue::AdoptHeld(const BlockId& id) {
  const Result<std::shared_ptr<const Block>> block = folder_.Open(id, /*verify_planes=*/false);
  if (block.ok()) {
    StoredBlock row = RowOfFound(**block, clock_.UnixMs());
    KVLINK_ASSIGN_OR_RETURN(const std::optional<StoredBlock> old, rows_->Find(id));
    if (old.has_value()) {  // what the file cannot say
      row.pinned |= old->pinned;
      row.created_ms = old->created_ms;
      row.last_used_ms = old->last_used_ms;
    }
    return rows_->Upsert(row);
  }
  if (block.code() == StatusCode::kDataLoss) return SetAsideHeld(id, block.status().message());
  // Gone meanwhile, of a newer version, or unreadable now: not ours to judge.
  log_(Severity::kWarning, "store: left alone: " + block.status().message());
  return {};
}

Status ReconciledCatalogue::SetAsideHeld(const BlockId& id, const std::string& why) {
  log_(Severity::kWarning, "store: set aside: " + why);
  Status status = folder_.Quarantine(id, clock_.UnixMs());
  if (!status.ok()) status = folder_.Remove(id, /*durable=*/false);
  if (!status.ok() && status.code() != StatusCode::kNotFound) return status;
  ++counters_.quarantined;
  return Step(rows_->Erase({id}));
}

Status ReconciledCatalogue::WithRows(const Write& write) {
  const std::lock_guard lock(mutex_);
  KVLINK_CHECK(!read_only_);
  Status status;
  // Another process rebuilt it, or somebody removed it, or a writer died: then the files tell.
  if (!rows_.has_value() || rows_are_read_only_ || !rows_->IsCurrent()) {
    status = OpenHeld();
  } else if (!in_step_) {
    status = ReconcileHeld();
  }
  if (status.ok()) status = write(*rows_);
  if (!MeansDamaged(status)) return status;
  log_(Severity::kWarning, "store: catalogue is damaged: " + status.message());
  KVLINK_RETURN_IF_ERROR(RebuildHeld());
  return write(*rows_);
}

Status ReconciledCatalogue::Record(const Block& block, bool pinned) {
  return WithRows([&](Catalogue& rows) -> Status {
    // An adopted row (a rebuild just before this) may hold a pin; it stays.
    KVLINK_ASSIGN_OR_RETURN(const std::optional<StoredBlock> old, rows.Find(block.identity().id));
    StoredBlock row = RowOf(block, clock_.UnixMs());
    row.pinned |= pinned || (old.has_value() && old->pinned);
    if (old.has_value()) row.created_ms = old->created_ms;
    return Step(rows.Upsert(row));
  });
}

Status ReconciledCatalogue::Adopt(const BlockId& id) {
  return WithRows([&](Catalogue&) { return AdoptHeld(id); });
}

Status ReconciledCatalogue::Forget(const std::vector<BlockId>& ids) {
  return WithRows([&](Catalogue& rows) { return Step(rows.Erase(ids)); });
}

Status ReconciledCatalogue::Touch(const std::vector<BlockUse>& uses) {
  return WithRows([&](Catalogue& rows) -> Status {
    KVLINK_ASSIGN_OR_RETURN(const std::vector<BlockId> missing, rows.Touch(uses));
    for (const BlockId& id : missing) {
      KVLINK_ASSIGN_OR_RETURN(const bool there, folder_.Contains(id));
      if (there) KVLINK_RETURN_IF_ERROR(AdoptHeld(id));
    }
    return {};
  });
}

Status ReconciledCatalogue::SetPinned(const BlockId& id, bool pinned) {
  return WithRows([&](Catalogue& rows) -> Status {
    KVLINK_ASSIGN_OR_RETURN(const bool there, folder_.Contains(id));
    if (!there) return NotFound("block " + ToHex(id) + " is not in the store");
    KVLINK_ASSIGN_OR_RETURN(bool found, rows.SetPinned(id, pinned));
    if (found) return {};
    KVLINK_RETURN_IF_ERROR(AdoptHeld(id));
    KVLINK_ASSIGN_OR_RETURN(found, rows.SetPinned(id, pinned));
    if (found) return {};
    return NotFound("block " + ToHex(id) + " is not in the store: its file was damaged");
  });
}

Status ReconciledCatalogue::SetAside(const BlockId& id, const std::string& why) {
  return WithRows([&](Catalogue&) { return SetAsideHeld(id, why); });
}

Result<int64_t> ReconciledCatalogue::EvictHeld(Catalogue& rows, int64_t bytes) {
  KVLINK_ASSIGN_OR_RETURN(const std::vector<StoredBlock> victims, rows.LeastRecentlyUsed(bytes));
  // Files first: a row too many overstates what is used, a file too many would break the budget.
  std::vector<BlockId> removed;
  int64_t freed = 0;
  Status failure;
  for (const StoredBlock& victim : victims) {
    failure = folder_.Remove(victim.id, /*durable=*/false);
    if (failure.ok()) freed += victim.size_bytes;
    if (failure.code() == StatusCode::kNotFound) failure = {};  // somebody was faster
    if (!failure.ok()) break;
    removed.push_back(victim.id);
  }
  counters_.evicted += static_cast<int64_t>(removed.size());
  Status erased = Step(rows.Erase(removed));
  // Room was made, which may be all that was wanted of a full disk: the next opening forgets rows.
  if (erased.code() == StatusCode::kResourceExhausted && freed > 0) erased = {};
  KVLINK_RETURN_IF_ERROR(erased);
  KVLINK_RETURN_IF_ERROR(failure);
  return freed;
}

Status ReconciledCatalogue::MakeRoom(int64_t need_bytes, int64_t budget_bytes) {
  return WithRows([&](Catalogue& rows) -> Status {
    KVLINK_ASSIGN_OR_RETURN(const CatalogueTotals totals, rows.Totals());
    KVLINK_ASSIGN_OR_RETURN(const QuarantineTotals quarantined, folder_.Quarantined());
    if (need_bytes > budget_bytes - totals.pinned_bytes) {
      return ResourceExhausted("the store '" + folder_.path() + "' cannot take a block of " +
                               std::to_string(need_bytes) + " bytes: its budget is " +
                               std::to_string(budget_bytes) + " bytes, of which " +
                               std::to_string(totals.pinned_bytes) +
                               " are pinned; raise the budget or unpin documents");
    }
    if (totals.bytes + quarantined.bytes <= budget_bytes - need_bytes) return {};
    // What is damaged is of no use to anyone, so it goes before any block.
    const Result<int64_t> emptied = folder_.EmptyQuarantine();
    if (!emptied.ok()) return emptied.status();
    return EvictHeld(rows, totals.bytes + need_bytes - budget_bytes).status();
  });
}

Status ReconciledCatalogue::KeepBudget(int64_t budget_bytes) {
  return WithRows([&](Catalogue& rows) -> Status {
    KVLINK_ASSIGN_OR_RETURN(const CatalogueTotals totals, rows.Totals());
    KVLINK_ASSIGN_OR_RETURN(const QuarantineTotals quarantined, folder_.Quarantined());
    if (totals.bytes + quarantined.bytes <= budget_bytes) return {};
    const Result<int64_t> emptied = folder_.EmptyQuarantine();
    if (!emptied.ok()) return emptied.status();
    return EvictHeld(rows, totals.bytes - budget_bytes).status();
  });
}

Result<int64_t> ReconciledCatalogue::ShrinkByFiles(int64_t budget_bytes) {
  Result<std::vector<StoredBlock>> listed = List();  // pins and uses, where they can be read
  if (!listed.ok()) listed = ListFromFiles();
  KVLINK_ASSIGN_OR_RETURN(std::vector<StoredBlock> rows, std::move(listed));
  std::stable_sort(rows.begin(), rows.end(), [](const StoredBlock& a, const StoredBlock& b) {
    return a.last_used_ms < b.last_used_ms;
  });
  int64_t left = 0;
  for (const StoredBlock& row : rows) left += row.size_bytes;
  int64_t freed = 0;
  for (const StoredBlock& row : rows) {
    if (left <= budget_bytes) break;
    if (row.pinned) continue;
    const Status removed = folder_.Remove(row.id, /*durable=*/false);
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
    left -= row.size_bytes;
    if (removed.ok()) freed += row.size_bytes;
    ++counters_.evicted;
  }
  return freed;
}

Result<int64_t> ReconciledCatalogue::Shrink(int64_t budget_bytes) {
  int64_t freed = 0;
  const Status status = WithRows([&](Catalogue& rows) -> Status {
    KVLINK_ASSIGN_OR_RETURN(const CatalogueTotals totals, rows.Totals());
    KVLINK_ASSIGN_OR_RETURN(freed, EvictHeld(rows, totals.bytes - budget_bytes));
    return {};
  });
  if (!status.ok()) return status;
  return freed;
}

// A reader does not reopen: the rows of a file that is new here may not be reconciled yet.
Status ReconciledCatalogue::CheckReadable() {
  if (rows_.has_value() && rows_->IsCurrent()) return {};
  return DataLoss("'" + folder_.CataloguePath() + "' was replaced");
}

Result<std::vector<StoredBlock>> ReconciledCatalogue::List() {
  const std::lock_guard lock(mutex_);
  const Status status = CheckReadable();
  if (status.ok()) {
    Result<std::vector<StoredBlock>> rows = rows_->List();
    if (rows.ok() || !read_only_) return rows;
  }
  if (read_only_) return ListFromFiles();
  return status;
}

Result<CatalogueSummary> ReconciledCatalogue::Summary() {
  const std::lock_guard lock(mutex_);
  KVLINK_RETURN_IF_ERROR(CheckReadable());
  return rows_->Summary();
}

Result<std::vector<StoredBlock>> ReconciledCatalogue::ListFromFiles() {
  std::vector<StoredBlock> rows;
  KVLINK_ASSIGN_OR_RETURN(const BlockListing listing, folder_.ListBlocks());
  for (const auto& [shard, why] : listing.closed) {
    log_(Severity::kWarning, "store: left out: " + why.message());
  }
  for (const BlockFile& file : listing.files) {
    const auto block = folder_.Open(file.id, /*verify_planes=*/false);
    if (block.ok()) rows.push_back(RowOfFound(**block, file.modified_ms));
  }
  return rows;
}

}  // namespace kvlink::kv
