// Keeps the catalogue's rows in step with the block files: adopts, forgets, sets aside, evicts, and
// rebuilds the catalogue when it is damaged or gone. All files are looked at only where the mark
// (kv/step_mark.h) does not say that they are in step: then opening costs the same for any number
// of blocks. Not here: what callers see of a store (kv/disk_store.cc).
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "kv/catalogue.h"
#include "kv/step_mark.h"
#include "kv/store_folder.h"
#include "kv/store_rules.h"

namespace kvlink::kv {

struct CatalogueCounters {
  std::atomic<int64_t> quarantined{0};
  std::atomic<int64_t> evicted{0};
};

// Thread-safe. Methods of the second group REQUIRE the folder's lock; a damaged catalogue is mended
// inside them. In the first group it gives kDataLoss: take the lock, Mend, and ask again.
class ReconciledCatalogue {
 public:
  // `busy_timeout_ms`: how long a write waits for locks of others in the catalogue.
  ReconciledCatalogue(FileSystem& files, StoreFolder& folder, Clock& clock, const Log& log,
                      const PinRule& is_pinned, int64_t busy_timeout_ms)
      : folder_(folder),
        clock_(clock),
        log_(log),
        is_pinned_(is_pinned),
        busy_timeout_ms_(busy_timeout_ms),
        mark_(files, folder.path()) {}

  // For a store that is only read: goes by the files' headers where there is no usable catalogue.
  void OpenReadOnly();
  // Until the first write, which opens it again, the rows are only read: they may not be in step.
  void OpenWithoutLock();
  Result<std::vector<StoredBlock>> List();
  Result<CatalogueSummary> Summary();
  // By the files' headers alone; used when they were made.
  Result<std::vector<StoredBlock>> ListFromFiles();

  // Opens the catalogue, rebuilds it if need be, and reconciles rows and files if the mark is
  // missing.
  Status Open();
  // Stand around everything that changes files or rows: until EndChanges the mark is taken away.
  // BeginChanges fails where that cannot be done. Where files and rows may be out of step behind
  // the changes, the mark stays away.
  Status BeginChanges();
  void EndChanges();
  Status Mend();  // reads all rows, so that damage shows and is mended
  // Its file is in place. A pin that is there stays.
  Status Record(const Block& block, bool pinned);
  Status Adopt(const BlockId& id);  // likewise, found there; sets it aside if it is damaged
  Status Forget(const std::vector<BlockId>& ids);
  Status Touch(const std::vector<BlockUse>& uses);   // and adopts those that have no row
  Status SetPinned(const BlockId& id, bool pinned);  // kNotFound: neither row nor file
  // Moves a bad file to quarantine/, or removes it where that fails.
  Status SetAside(const BlockId& id, const std::string& why);
  // Makes `need` bytes fit a budget. kResourceExhausted: they cannot, and then nothing is evicted.
  Status MakeRoom(int64_t need_bytes, int64_t budget_bytes);
  // The same for what is there already; where pins alone take more, no error.
  Status KeepBudget(int64_t budget_bytes);
  // Evicts until the blocks take at most budget_bytes; returns the bytes freed.
  Result<int64_t> Shrink(int64_t budget_bytes);
  // The same without a catalogue.
  Result<int64_t> ShrinkByFiles(int64_t budget_bytes);

  const CatalogueCounters& counters() const { return counters_; }

 private:
  using Write = std::function<Status(Catalogue&)>;
  Result<Catalogue> OpenRows(bool read_only, bool check_whole);
  Status WithRows(const Write& write);  // for writers; REQUIRES the folder's lock
  Status OpenHeld();                    // REQUIRES: mutex_ held, and so on below
  Status RebuildHeld();
  Status ReconcileHeld();
  Status AdoptHeld(const BlockId& id);
  Status SetAsideHeld(const BlockId& id, const std::string& why);
  Result<int64_t> EvictHeld(Catalogue& rows, int64_t bytes);
  // Of a step behind which files and rows fit together if it went well, and may not otherwise.
  Status Step(Status status) {
    in_step_ = in_step_ && status.ok();
    return status;
  }
  Status CheckReadable();
  StoredBlock RowOfFound(const Block& block, int64_t now_ms) const;

  StoreFolder& folder_;
  Clock& clock_;
  const Log& log_;
  const PinRule& is_pinned_;  // may be empty
  const int64_t busy_timeout_ms_;
  CatalogueCounters counters_;
  bool read_only_ = false;
  bool rows_are_read_only_ = false;
  std::mutex mutex_;  // guards what follows: one connection, one thread at a time
  StepMark mark_;
  bool in_step_ = false;  // as far as the holder of the lock knows
  std::optional<Catalogue> rows_;
};

}  // namespace kvlink::kv
