// The catalogue's schema and queries (kv/catalogue.h).
#include "kv/catalogue.h"

#include <sys/stat.h>

#include <limits>

#include "base/bytes.h"
#include "base/file.h"
#include "kv/store_names.h"

namespace kvlink::kv {
namespace {

constexpr char kMark[] = "PRAGMA application_id = 0x6b766c62";  // kCatalogueMark
// Stored in PRAGMA user_version.
constexpr int64_t kSchemaVersion = 1;
constexpr char kSchema[] = R"sql(
  CREATE TABLE blocks (
    id BLOB PRIMARY KEY,            -- 32 bytes
    model BLOB NOT NULL,            -- 32 bytes: the model's fingerprint
    size_bytes INTEGER NOT NULL,    -- of the file
    tokens INTEGER NOT NULL,
    dtype INTEGER NOT NULL,         -- as in base/dtype.h
    pinned INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,    -- Unix time
    last_used_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX blocks_by_use ON blocks (pinned, last_used_ms, size_bytes);
  PRAGMA user_version = 1;
)sql";
constexpr char kColumns[] =
    "SELECT id, model, size_bytes, tokens, dtype, pinned, created_ms, last_used_ms FROM blocks ";

std::string_view Text(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Result<Sha256Digest> DigestAt(const Statement& row, int column) {
  const std::string_view blob = row.Blob(column);
  Sha256Digest digest{};
  if (blob.size() != digest.size()) {
    return DataLoss("catalogue: a digest of " + std::to_string(blob.size()) +
                    " bytes, 32 expected");
  }
  std::copy(blob.begin(), blob.end(), digest.begin());
  return digest;
}

Result<StoredBlock> RowOf(const Statement& row) {
  StoredBlock block;
  KVLINK_ASSIGN_OR_RETURN(block.id, DigestAt(row, 0));
  KVLINK_ASSIGN_OR_RETURN(block.model, DigestAt(row, 1));
  block.size_bytes = row.Int(2);
  const int64_t tokens = row.Int(3);
  if (block.size_bytes < 0 || tokens < 0 || tokens > std::numeric_limits<int32_t>::max()) {
    return DataLoss("catalogue: a block of " + std::to_string(tokens) + " tokens in " +
                    std::to_string(block.size_bytes) + " bytes");
  }
  block.tokens = static_cast<int32_t>(tokens);
  block.dtype = row.Int(4) == 0 ? DType::kF32 : DType::kBF16;
  block.pinned = row.Int(5) != 0;
  block.created_ms = row.Int(6);
  block.last_used_ms = row.Int(7);
  return block;
}

std::pair<uint64_t, uint64_t> FileAt(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return {0, 0};
  return {info.st_dev, info.st_ino};
}

Status CheckWhole(Database& db, const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(Statement check, db.Prepare("PRAGMA quick_check(1)"));
  KVLINK_ASSIGN_OR_RETURN(const bool row, check.Step());
  if (row && check.Text(0) == "ok") return {};
  return DataLoss(path + ": damaged: " + std::string(row ? check.Text(0) : "no answer"));
}

Status NotOurs(const std::string& path) {
  return FailedPrecondition(path +
                            ": is a SQLite database, but not a catalogue of kvlink; it is left "
                            "alone: move it away, or use another store");
}

// Catalogues had no application_id once; they are told by their one table.
Result<bool> IsOlderCatalogue(Database& db) {
  KVLINK_ASSIGN_OR_RETURN(
      const int64_t others,
      db.QueryInt("SELECT count(*) FROM sqlite_schema WHERE tbl_name != 'blocks'"));
  KVLINK_ASSIGN_OR_RETURN(
      const int64_t columns,
      db.QueryInt("SELECT count(*) FROM pragma_table_info('blocks') WHERE name IN ('id', 'model', "
                  "'size_bytes', 'tokens', 'dtype', 'pinned', 'created_ms', 'last_used_ms')"));
  return others == 0 && columns == 8;
}

// True: the tables were made now.
Result<bool> PrepareSchema(Database& db, const std::string& path, bool read_only,
                           bool check_whole) {
  KVLINK_ASSIGN_OR_RETURN(const int64_t version, db.QueryInt("PRAGMA user_version"));
  KVLINK_ASSIGN_OR_RETURN(const int64_t application, db.QueryInt("PRAGMA application_id"));
  KVLINK_ASSIGN_OR_RETURN(const int64_t tables, db.QueryInt("SELECT count(*) FROM sqlite_schema"));
  const bool empty = application == 0 && version == 0 && tables == 0;
  if (application != kCatalogueMark && !empty) {
    if (application != 0) return NotOurs(path);
    KVLINK_ASSIGN_OR_RETURN(const bool older, IsOlderCatalogue(db));
    if (!older) return NotOurs(path);
    if (!read_only) {
      // A mark for later, and no loss where it cannot be made (a full disk).
      (void)db.Exec(kMark);
      // Stores of that time could be read by everyone; the texts in them are their owner's alone.
      (void)::chmod(FolderOf(path).c_str(), 0700);
    }
  }
  if (version > kSchemaVersion) {
    return FailedPrecondition(path + ": its schema version " + std::to_string(version) +
                              " is newer than this program's " + std::to_string(kSchemaVersion) +
                              "; use a newer kvlink, or another store");
  }
  if (version == kSchemaVersion) {
    if (check_whole) KVLINK_RETURN_IF_ERROR(CheckWhole(db, path));
    return false;
  }
  if (read_only) return NotFound(path + ": has no rows yet");
  KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db));
  KVLINK_RETURN_IF_ERROR(db.Exec(kSchema));
  KVLINK_RETURN_IF_ERROR(db.Exec(kMark));
  KVLINK_RETURN_IF_ERROR(transaction.Commit());
  return true;
}

}  // namespace

Result<Catalogue> Catalogue::Open(const std::string& path, bool read_only, int busy_timeout_ms,
                                  bool check_whole) {
  const DatabaseMode mode = read_only ? DatabaseMode::kReadOnly : DatabaseMode::kCreate;
  KVLINK_ASSIGN_OR_RETURN(Database db, Database::Open(path, mode, busy_timeout_ms));
  const auto file = FileAt(path);
  if (!read_only && db.alone()) {
    // There is room for no row either, and the process's next store would be kept out.
    return ResourceExhausted(path +
                             ": no file can be made beside it: the disk is full; free some "
                             "space on it");
  }
  if (!read_only) {
    // NORMAL: a power cut may lose the last rows, never the file; files without a row are adopted.
    KVLINK_RETURN_IF_ERROR(db.Exec("PRAGMA synchronous = NORMAL"));
  }
  const Result<bool> is_new = PrepareSchema(db, path, read_only, check_whole);
  // Marked as ours, with half of our tables: nothing in it is worth more than a rebuild.
  if (is_new.code() == StatusCode::kInternal) return DataLoss(is_new.status().message());
  if (!is_new.ok()) return is_new.status();
  // Only now: the file remembers it, and another program's is left as it is.
  if (!read_only) KVLINK_RETURN_IF_ERROR(db.EnableWal());
  return Catalogue(path, std::move(db), file, *is_new);
}

bool Catalogue::IsCurrent() const { return FileAt(path_) == file_; }

Status Catalogue::Upsert(const StoredBlock& row) {
  KVLINK_ASSIGN_OR_RETURN(
      Statement insert, db_.Prepare("INSERT OR REPLACE INTO blocks (id, model, size_bytes, tokens, "
                                    "dtype, pinned, created_ms, last_used_ms) "
                                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
  insert.BindBlob(1, Text(row.id)).BindBlob(2, Text(row.model)).Bind(3, row.size_bytes);
  insert.Bind(4, int64_t{row.tokens}).Bind(5, static_cast<int64_t>(row.dtype));
  insert.Bind(6, int64_t{row.pinned}).Bind(7, row.created_ms).Bind(8, row.last_used_ms);
  return insert.Run();
}

Status Catalogue::Erase(const std::vector<BlockId>& ids) {
  if (ids.empty()) return {};
  KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db_));
  KVLINK_ASSIGN_OR_RETURN(Statement erase, db_.Prepare("DELETE FROM blocks WHERE id = ?"));
  for (const BlockId& id : ids) {
    KVLINK_RETURN_IF_ERROR(erase.BindBlob(1, Text(id)).Run());
  }
  return transaction.Commit();
}

Result<std::vector<BlockId>> Catalogue::Touch(const std::vector<BlockUse>& uses) {
  std::vector<BlockId> missing;
  if (uses.empty()) return missing;
  KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db_));
  KVLINK_ASSIGN_OR_RETURN(
      Statement update,
      db_.Prepare("UPDATE blocks SET last_used_ms = max(last_used_ms, ?) WHERE id = ?"));
  for (const BlockUse& use : uses) {
    KVLINK_RETURN_IF_ERROR(update.Bind(1, use.used_ms).BindBlob(2, Text(use.id)).Run());
    if (db_.changes() == 0) missing.push_back(use.id);
  }
  KVLINK_RETURN_IF_ERROR(transaction.Commit());
  return missing;
}

Status Catalogue::ClampUses(int64_t now_ms) {
  // Asked first, by the index, since it is hardly ever so.
  KVLINK_ASSIGN_OR_RETURN(
      const int64_t latest,
      db_.QueryInt("SELECT max("
                   "coalesce((SELECT max(last_used_ms) FROM blocks WHERE pinned = 0), 0), "
                   "coalesce((SELECT max(last_used_ms) FROM blocks WHERE pinned = 1), 0))"));
  if (latest <= now_ms) return {};
  KVLINK_ASSIGN_OR_RETURN(
      Statement update, db_.Prepare("UPDATE blocks SET last_used_ms = ?1 WHERE last_used_ms > ?1"));
  return update.Bind(1, now_ms).Run();
}

Result<bool> Catalogue::SetPinned(const BlockId& id, bool pinned) {
  // A pin is known here alone, so it is worth its fsync.
  KVLINK_RETURN_IF_ERROR(db_.Exec("PRAGMA synchronous = FULL"));
  KVLINK_ASSIGN_OR_RETURN(Statement update,
                          db_.Prepare("UPDATE blocks SET pinned = ? WHERE id = ?"));
  const Status updated = update.Bind(1, int64_t{pinned}).BindBlob(2, Text(id)).Run();
  const bool found = db_.changes() > 0;
  KVLINK_RETURN_IF_ERROR(db_.Exec("PRAGMA synchronous = NORMAL"));
  KVLINK_RETURN_IF_ERROR(updated);
  return found;
}

Result<std::optional<StoredBlock>> Catalogue::Find(const BlockId& id) {
  KVLINK_ASSIGN_OR_RETURN(Statement select, db_.Prepare(std::string(kColumns) + "WHERE id = ?"));
  KVLINK_ASSIGN_OR_RETURN(const bool found, select.BindBlob(1, Text(id)).Step());
  if (!found) return std::optional<StoredBlock>();
  KVLINK_ASSIGN_OR_RETURN(const StoredBlock block, RowOf(select));
  return std::optional<StoredBlock>(block);
}

Result<std::vector<StoredBlock>> Catalogue::List() {
  KVLINK_ASSIGN_OR_RETURN(Statement select,
                          db_.Prepare(std::string(kColumns) + "ORDER BY created_ms, id"));
  std::vector<StoredBlock> out;
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return out;
    KVLINK_ASSIGN_OR_RETURN(const StoredBlock block, RowOf(select));
    out.push_back(block);
  }
}

Result<CatalogueTotals> Catalogue::Totals() {
  KVLINK_ASSIGN_OR_RETURN(Statement select,
                          db_.Prepare("SELECT coalesce(sum(size_bytes), 0), "
                                      "coalesce(sum(size_bytes * pinned), 0) FROM blocks"));
  KVLINK_ASSIGN_OR_RETURN(const bool row, select.Step());
  if (!row) return DataLoss(path_ + ": no totals");
  return CatalogueTotals{select.Int(0), select.Int(1)};
}

Result<CatalogueSummary> Catalogue::Summary() {
  KVLINK_ASSIGN_OR_RETURN(
      Statement select,
      db_.Prepare("SELECT count(*), coalesce(sum(size_bytes), 0), coalesce(sum(tokens), 0), "
                  "coalesce(sum(pinned), 0), count(DISTINCT model) FROM blocks"));
  KVLINK_ASSIGN_OR_RETURN(const bool row, select.Step());
  if (!row) return DataLoss(path_ + ": no summary");
  return CatalogueSummary{select.Int(0), select.Int(1), select.Int(2), select.Int(3),
                          select.Int(4)};
}

Result<std::vector<StoredBlock>> Catalogue::LeastRecentlyUsed(int64_t bytes) {
  KVLINK_ASSIGN_OR_RETURN(
      Statement select,
      db_.Prepare(std::string(kColumns) + "WHERE pinned = 0 ORDER BY last_used_ms, id"));
  std::vector<StoredBlock> out;
  while (bytes > 0) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) break;
    KVLINK_ASSIGN_OR_RETURN(const StoredBlock block, RowOf(select));
    bytes -= block.size_bytes;
    out.push_back(block);
  }
  return out;
}

}  // namespace kvlink::kv
