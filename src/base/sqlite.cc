// SQLite behind Status (base/sqlite.h). The only file that includes sqlite3.h.
#include "base/sqlite.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "base/check.h"

namespace kvlink {
namespace {

StatusCode CodeOf(int extended) {
  switch (extended & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return StatusCode::kResourceExhausted;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
      return StatusCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return StatusCode::kDataLoss;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return StatusCode::kFailedPrecondition;
    case SQLITE_TOOBIG:
      return StatusCode::kInvalidArgument;
    case SQLITE_INTERRUPT:
      return StatusCode::kCancelled;
    default:
      return StatusCode::kInternal;
  }
}

const char* AdviceFor(int extended) {
  switch (extended & 0xff) {
    case SQLITE_FULL:
      return "; free some space on its disk";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "; another process is writing to it, try again when that is done";
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return "; make the file and its folder writable, or open it read-only";
    case SQLITE_CANTOPEN:
      return "; check that the folder exists and may be entered and written";
    default:
      return "";
  }
}

Status ErrorAt(const std::string& path, int extended, const char* message) {
  return {CodeOf(extended), path + ": " + message + AdviceFor(extended)};
}

Status ErrorOf(sqlite3* db) {
  const char* name = sqlite3_db_filename(db, "main");
  return ErrorAt(name != nullptr && *name != 0 ? name : "database", sqlite3_extended_errcode(db),
                 sqlite3_errmsg(db));
}

// A path as SQLite's URI form takes it; immutable=1 has no other way in.
std::string ImmutableUri(const std::string& path) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string uri = path.front() == '/' ? "file://" : "file:";  // "//x" would be a host
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '%' || c == '?' || c == '#' || byte < 0x20 || byte >= 0x7f) {
      uri += {'%', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      uri += c;
    }
  }
  return uri + "?immutable=1";
}

// Opens and reads the header; *db is null on failure. Returns SQLite's extended code.
int TryOpen(const std::string& name, int flags, int busy_timeout_ms, sqlite3** db,
            std::string* message) {
  int code = sqlite3_open_v2(name.c_str(), db, flags, nullptr);
  if (code == SQLITE_OK) {
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_busy_timeout(*db, busy_timeout_ms);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    code = sqlite3_exec(*db, "PRAGMA schema_version", nullptr, nullptr, nullptr);
  }
  if (code != SQLITE_OK) {
    if (*db != nullptr) code = sqlite3_extended_errcode(*db);
    *message = *db != nullptr ? sqlite3_errmsg(*db) : sqlite3_errstr(code);
    sqlite3_close_v2(*db);
    *db = nullptr;
  }
  return code;
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)), bind_error_(other.bind_error_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(statement_, other.statement_);
  std::swap(bind_error_, other.bind_error_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::Bind(int index, int64_t value) {
  Keep(sqlite3_bind_int64(statement_, index, value));
  return *this;
}

Statement& Statement::Bind(int index, double value) {
  Keep(sqlite3_bind_double(statement_, index, value));
  return *this;
}

Statement& Statement::BindText(int index, std::string_view value) {
  // A null pointer would bind NULL, which an empty string_view may hold.
  Keep(sqlite3_bind_text64(statement_, index, value.empty() ? "" : value.data(), value.size(),
                           SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::BindBlob(int index, std::string_view value) {
  Keep(sqlite3_bind_blob64(statement_, index, value.empty() ? "" : value.data(), value.size(),
                           SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::BindNull(int index) {
  Keep(sqlite3_bind_null(statement_, index));
  return *this;
}

Result<bool> Statement::Step() {
  if (bind_error_ != SQLITE_OK) {
    const int code = std::exchange(bind_error_, SQLITE_OK);
    return Status(CodeOf(code), std::string("SQLite: cannot bind: ") + sqlite3_errstr(code));
  }
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement_);
    return false;
  }
  Status status = ErrorOf(sqlite3_db_handle(statement_));
  sqlite3_reset(statement_);
  return status;
}

Status Statement::Run() {
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return {};
  }
}

void Statement::Reset() { sqlite3_reset(statement_); }

int64_t Statement::Int(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::Real(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view Statement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string_view Statement::Blob(int column) const {
  const auto* blob = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (blob == nullptr) return {};
  return {blob, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Result<Database> Database::Open(const std::string& path, DatabaseMode mode, int busy_timeout_ms) {
  if (path.empty()) return InvalidArgument("a database's path is empty; give a file");
  struct stat info {};
  if (mode != DatabaseMode::kCreate && ::stat(path.c_str(), &info) != 0) {
    return NotFound(path + ": there is no such database file");
  }
  int flags = SQLITE_OPEN_NOMUTEX;
  flags |= mode == DatabaseMode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (mode == DatabaseMode::kCreate) flags |= SQLITE_OPEN_CREATE;

  sqlite3* db = nullptr;
  std::string message;
  int code = TryOpen(path, flags, busy_timeout_ms, &db, &message);
  if (code != SQLITE_OK && mode == DatabaseMode::kReadOnly &&
      ((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY)) {
    // A WAL database wants its -shm file beside it, which a read-only folder cannot give. Nobody
    // can be writing there either, so the file alone is the truth, unless a log was left unmerged.
    if (::stat((path + "-wal").c_str(), &info) == 0 && info.st_size > 0) {
      return FailedPrecondition(path + ": was not closed cleanly (" + path +
                                "-wal is not empty) and its folder is read-only; open it once "
                                "where it may be written");
    }
    code = TryOpen(ImmutableUri(path), flags | SQLITE_OPEN_URI, busy_timeout_ms, &db, &message);
  }
  if (code != SQLITE_OK) return ErrorAt(path, code, message.c_str());
  if (mode != DatabaseMode::kReadOnly && sqlite3_db_readonly(db, "main") == 1) {
    // SQLite opens what it may only read without a word; the first write would fail far from here.
    sqlite3_close_v2(db);
    return ErrorAt(path, SQLITE_READONLY, "the file may not be written");
  }
  return Database(db, busy_timeout_ms);
}

Database::Database(Database&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)), busy_timeout_ms_(other.busy_timeout_ms_) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(busy_timeout_ms_, other.busy_timeout_ms_);
  return *this;
}

// close_v2: a Statement that outlives its Database by a moment (members in any order) is no leak.
Database::~Database() { sqlite3_close_v2(db_); }

Status Database::Exec(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return ErrorOf(db_);
  return {};
}

Status Database::EnableWal() {
  // SQLite gives up at once where waiting could be a deadlock, and changing the mode is such a
  // place: two connections that both hold a read lock and want the whole file.
  using std::chrono::steady_clock;
  const auto deadline = steady_clock::now() + std::chrono::milliseconds(busy_timeout_ms_);
  while (true) {
    Status status = Exec("PRAGMA journal_mode=WAL");
    if (status.code() != StatusCode::kUnavailable || steady_clock::now() >= deadline) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

Result<bool> Database::EmptyWal() {
  sqlite3_busy_timeout(db_, 0);
  const Result<int64_t> busy = QueryInt("PRAGMA wal_checkpoint(TRUNCATE)");
  sqlite3_busy_timeout(db_, busy_timeout_ms_);
  if (busy.code() == StatusCode::kUnavailable) return false;
  if (!busy.ok()) return busy.status();
  return *busy == 0;
}

Result<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                         &statement, nullptr) != SQLITE_OK) {
    return ErrorOf(db_);
  }
  KVLINK_CHECK(statement != nullptr);  // our own SQL, never only a comment
  return Statement(statement);
}

Result<int64_t> Database::QueryInt(std::string_view sql) {
  KVLINK_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  KVLINK_ASSIGN_OR_RETURN(const bool row, statement.Step());
  if (!row) return Internal("SQLite: no row from: " + std::string(sql));
  return statement.Int(0);
}

int64_t Database::changes() const { return sqlite3_changes64(db_); }

Result<Transaction> Transaction::Begin(Database& db) {
  KVLINK_RETURN_IF_ERROR(db.Exec("BEGIN IMMEDIATE"));
  return Transaction(&db);
}

Result<Transaction> Transaction::BeginRead(Database& db) {
  KVLINK_RETURN_IF_ERROR(db.Exec("BEGIN"));
  return Transaction(&db);
}

Transaction::~Transaction() {
  if (db_ == nullptr) return;
  // SQLite may have rolled back by itself (disk full); then this says so and nothing is left to do.
  (void)db_->Exec("ROLLBACK");
}

Status Transaction::Commit() {
  KVLINK_CHECK(db_ != nullptr);
  KVLINK_RETURN_IF_ERROR(db_->Exec("COMMIT"));  // busy: still open, the destructor rolls back
  db_ = nullptr;
  return {};
}

}  // namespace kvlink
