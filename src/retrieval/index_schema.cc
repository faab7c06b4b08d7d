// The tables of documents.sqlite (retrieval/index_schema.h).
#include "retrieval/index_schema.h"

#include <string_view>

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

Status Create(Database& db, const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db));
  KVLINK_ASSIGN_OR_RETURN(const int64_t version, VersionOf(db, path));
  if (version != 0) return {};  // another process was quicker
  KVLINK_RETURN_IF_ERROR(db.Exec(kSchema));
  const std::string marks = "PRAGMA application_id=" + std::to_string(kApplicationId) +
                            "; PRAGMA user_version=" + std::to_string(kIndexVersion);
  KVLINK_RETURN_IF_ERROR(db.Exec(marks.c_str()));
  return transaction.Commit();
}

Result<int64_t> VersionNow(Database& db, const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(const Transaction snapshot, Transaction::BeginRead(db));
  return VersionOf(db, path);
}

Result<Database> Open(const std::string& path, bool read_only) {
  KVLINK_ASSIGN_OR_RETURN(Database db, Database::Open(path, read_only ? DatabaseMode::kReadOnly
                                                                      : DatabaseMode::kCreate));
  KVLINK_ASSIGN_OR_RETURN(const int64_t version, VersionNow(db, path));
  if (version == 0) {
    if (read_only) return NotFound(path + ": is empty; index some texts first: kvlink index PATH");
    KVLINK_RETURN_IF_ERROR(Create(db, path));
  }
  if (!read_only) KVLINK_RETURN_IF_ERROR(db.EnableWal());
  // What a crash may take back can be indexed again; waiting for the disk at each document cannot
  // be bought back. WAL keeps the file whole either way.
  KVLINK_RETURN_IF_ERROR(db.Exec("PRAGMA synchronous=NORMAL"));
  return db;
}

}  // namespace

Status WithRebuildAdvice(const std::string& path, Status status) {
  if (status.code() != StatusCode::kDataLoss) return status;
  return DataLoss(status.message() + "; to rebuild the index, remove " + path +
                  " and its -wal and -shm files and run kvlink index on the texts again (blocks "
                  "in the store are kept and used)");
}

Result<Database> OpenIndexDatabase(const std::string& path, bool read_only) {
  Result<Database> db = Open(path, read_only);
  if (!db.ok()) return WithRebuildAdvice(path, db.status());
  return db;
}

}  // namespace kvlink
