// The tables of documents.sqlite (retrieval/index_schema.h).
#include "retrieval/index_schema.h"

#include <array>
#include <string_view>
#include <utility>

namespace kvlink {
namespace {

constexpr int64_t kApplicationId = 0x6b766c69;  // "kvli", as file(1) shows it

// Texts of an id never change, so documents_fts needs no triggers: rows come and go whole.
constexpr char kSchema[] = R"sql(
  CREATE TABLE sources(
    key INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    content_hash TEXT);
  CREATE TABLE documents(
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE places(
    source INTEGER NOT NULL REFERENCES sources(key),
    ordinal INTEGER NOT NULL,
    document INTEGER NOT NULL REFERENCES documents(key),
    begin_byte INTEGER NOT NULL,
    end_byte INTEGER NOT NULL,
    PRIMARY KEY(source, ordinal, document)) WITHOUT ROWID;
  CREATE INDEX places_of_document ON places(document);
  CREATE VIRTUAL TABLE documents_fts USING fts5(
    title, text, content='documents', content_rowid='key',
    tokenize='porter unicode61 remove_diacritics 2');
)sql";

// Version 2. Blocks go by the ids of documents, not their keys: those of a document that is still
// to be indexed may be there already.
constexpr char kBlocksAndFiles[] = R"sql(
  ALTER TABLE sources ADD COLUMN size_bytes INTEGER;
  ALTER TABLE sources ADD COLUMN modified_ms INTEGER;
  ALTER TABLE sources ADD COLUMN device INTEGER;
  ALTER TABLE sources ADD COLUMN bytes_hash TEXT;
  CREATE TABLE blocks(
    id TEXT NOT NULL,
    block TEXT NOT NULL,
    PRIMARY KEY(id, block)) WITHOUT ROWID;
  CREATE INDEX ids_of_block ON blocks(block);
  CREATE TABLE leftover_blocks(block TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE facts(name TEXT PRIMARY KEY) WITHOUT ROWID;
)sql";

// What leads from version n to n + 1; a new index goes through all of them.
constexpr std::array<const char*, kIndexVersion> kSteps = {kSchema, kBlocksAndFiles};

Status CheckVersion(const std::string& path, int64_t version) {
  if (version <= kIndexVersion) return {};
  return FailedPrecondition(path + ": was made by a newer kvlink (index version " +
                            std::to_string(version) + ", this one knows " +
                            std::to_string(kIndexVersion) +
                            "); use the newer kvlink, or another store");
}

Status NotOurs(const std::string& path) {
  return FailedPrecondition(path +
                            ": is a SQLite database, but not an index of kvlink; move it away, or "
                            "use another store");
}

// REQUIRES: a transaction is open; another process may be creating the tables at this moment.
Result<int64_t> VersionOf(Database& db, const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(const int64_t version, db.QueryInt("PRAGMA user_version"));
  KVLINK_ASSIGN_OR_RETURN(const int64_t application, db.QueryInt("PRAGMA application_id"));
  KVLINK_ASSIGN_OR_RETURN(const int64_t tables, db.QueryInt("SELECT count(*) FROM sqlite_schema"));
  if (application != kApplicationId && (version != 0 || tables != 0)) return NotOurs(path);
  KVLINK_RETURN_IF_ERROR(CheckVersion(path, version));
  return version;
}

// From whatever version there is, none included, to this one: all or nothing.
Status BringUpToDate(Database& db, const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db));
  KVLINK_ASSIGN_OR_RETURN(const int64_t version, VersionOf(db, path));
  if (version == kIndexVersion) return {};  // another process was quicker
  for (auto step = static_cast<size_t>(version); step < kSteps.size(); ++step) {
    KVLINK_RETURN_IF_ERROR(db.Exec(kSteps[step]));
  }
  const std::string marks = "PRAGMA application_id=" + std::to_string(kApplicationId) +
                            "; PRAGMA user_version=" + std::to_string(kIndexVersion);
  KVLINK_RETURN_IF_ERROR(db.Exec(marks.c_str()));
  return transaction.Commit();
}

Result<int64_t> VersionNow(Database& db, const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(const Transaction snapshot, Transaction::BeginRead(db));
  return VersionOf(db, path);
}

Result<IndexDatabase> Open(const std::string& path, bool read_only) {
  KVLINK_ASSIGN_OR_RETURN(Database db, Database::Open(path, read_only ? DatabaseMode::kReadOnly
                                                                      : DatabaseMode::kCreate));
  KVLINK_ASSIGN_OR_RETURN(int64_t version, VersionNow(db, path));
  if (read_only && version == 0) {
    return NotFound(path + ": is empty; index some texts first: kvlink index PATH");
  }
  if (!read_only) {
    // What is forgotten leaves the file: SQLite's free pages would keep its words.
    KVLINK_RETURN_IF_ERROR(db.Exec("PRAGMA secure_delete=ON"));
    if (version < kIndexVersion) KVLINK_RETURN_IF_ERROR(BringUpToDate(db, path));
    version = kIndexVersion;
    KVLINK_RETURN_IF_ERROR(db.EnableWal());
  }
  // What a crash may take back can be indexed again; waiting for the disk at each document cannot
  // be bought back. WAL keeps the file whole either way.
  KVLINK_RETURN_IF_ERROR(db.Exec("PRAGMA synchronous=NORMAL"));
  return IndexDatabase{std::move(db), version};
}

}  // namespace

Status WithRebuildAdvice(const std::string& path, Status status) {
  if (status.code() != StatusCode::kDataLoss) return status;
  return DataLoss(status.message() + "; to rebuild the index, remove " + path +
                  " and its -wal and -shm files and run kvlink index on the texts again (blocks "
                  "in the store are kept and used)");
}

Result<IndexDatabase> OpenIndexDatabase(const std::string& path, bool read_only) {
  Result<IndexDatabase> db = Open(path, read_only);
  if (!db.ok()) return WithRebuildAdvice(path, db.status());
  return db;
}

}  // namespace kvlink
