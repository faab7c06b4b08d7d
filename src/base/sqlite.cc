// SQLite behind Status (base/sqlite.h). Its file and sqlite_tokenizer.cc alone include sqlite3.h.
#include "base/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>

#include "base/check.h"

namespace kvlink {
namespace {

// The -shm file beside a database with a log could not be given its size: no room is left.
bool IsFull(int extended) {
  return (extended & 0xff) == SQLITE_FULL || extended == SQLITE_IOERR_SHMSIZE;
}

StatusCode CodeOf(int extended) {
  if (IsFull(extended)) return StatusCode::kResourceExhausted;
  switch (extended & 0xff) {
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
  if (IsFull(extended)) return ": the disk is full; free some space on it";
  switch (extended & 0xff) {
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

enum class Locking {
  kShared,
  kAlone,  // keeps the index of a log in memory instead of in a -shm file
};

// Opens and reads the header; *db is null on failure. Returns SQLite's extended code.
int TryOpen(const std::string& name, int flags, Locking locking, int busy_timeout_ms, sqlite3** db,
            std::string* message) {
  int code = sqlite3_open_v2(name.c_str(), db, flags, nullptr);
  if (code == SQLITE_OK) {
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_busy_timeout(*db, busy_timeout_ms);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    if (locking == Locking::kAlone) {
      (void)sqlite3_exec(*db, "PRAGMA locking_mode=EXCLUSIVE", nullptr, nullptr, nullptr);
    }
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

// No room or no permission for the -shm file.
bool WantsSharedMemory(int extended) {
  return extended == SQLITE_IOERR_SHMSIZE || extended == SQLITE_IOERR_SHMOPEN ||
         (extended & 0xff) == SQLITE_FULL || (extended & 0xff) == SQLITE_CANTOPEN;
}

// SQLite would make the file readable by everyone; its log takes the file's own mode.
// Where it cannot be made, or is there already, SQLite's own opening says what is to be said.
void CreatePrivately(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
}

// kFailedPrecondition where something stands there that is no file: opening a FIFO would wait.
Status CheckIsFile(const std::string& path, const struct stat& info) {
  if (S_ISREG(info.st_mode)) return {};
  if (S_ISLNK(info.st_mode)) {
    // What it leads to is another's, or would be made where nobody looks for it.
    return FailedPrecondition(path +
                              ": a database file expected, found a link, which is not followed; "
                              "put the file itself in its place");
  }
  return FailedPrecondition(path + ": a database file expected, found " +
                            (S_ISDIR(info.st_mode) ? "a folder" : "something else") +
                            "; move it away");
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
  if (::lstat(path.c_str(), &info) == 0) {
    KVLINK_RETURN_IF_ERROR(CheckIsFile(path, info));
  } else if (errno != ENOENT && errno != ENOTDIR) {
    return ErrorAt(path, SQLITE_CANTOPEN, strerror(errno));
  } else if (mode != DatabaseMode::kCreate) {
    return NotFound(path + ": there is no such database file");
  }
  int flags = SQLITE_OPEN_NOMUTEX;
  flags |= mode == DatabaseMode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (mode == DatabaseMode::kCreate) flags |= SQLITE_OPEN_CREATE;

  if (mode == DatabaseMode::kCreate) CreatePrivately(path);

  sqlite3* db = nullptr;
  std::string message;
  bool alone = false;
  int code = TryOpen(path, flags, Locking::kShared, busy_timeout_ms, &db, &message);
  if (WantsSharedMemory(code)) {
    // Its log can be read and written without a -shm file by whoever has the database alone. The
    // flags are a writer's, for it takes a writer's lock; a reader is held to reading.
    const int all = (flags & ~SQLITE_OPEN_READONLY) | SQLITE_OPEN_READWRITE;
    std::string why;
    const int opened = TryOpen(path, all, Locking::kAlone, busy_timeout_ms, &db, &why);
    if (opened == SQLITE_OK) {
      code = opened;
      alone = true;
      if (mode == DatabaseMode::kReadOnly) {
        (void)sqlite3_exec(db, "PRAGMA query_only=1", nullptr, nullptr, nullptr);
      }
    }
  }
  if (mode == DatabaseMode::kReadOnly &&
      (WantsSharedMemory(code) || (code & 0xff) == SQLITE_READONLY)) {
    // Without its log the file alone is the truth only if no log was left unmerged. A writer
    // (another user) that comes after this is not seen: who reads for long opens again now and
    // then.
    if (::stat((path + "-wal").c_str(), &info) == 0 && info.st_size > 0) {
      return FailedPrecondition(path + ": was not closed cleanly (" + path +
                                "-wal is not empty) and its folder is read-only; open it once "
                                "where it may be written");
    }
    code = TryOpen(ImmutableUri(path), flags | SQLITE_OPEN_URI, Locking::kShared, busy_timeout_ms,
                   &db, &message);
  }
  if (code != SQLITE_OK) return ErrorAt(path, code, message.c_str());
  if (mode != DatabaseMode::kReadOnly && sqlite3_db_readonly(db, "main") == 1) {
    // SQLite opens what it may only read without a word; the first write would fail far from here.
    sqlite3_close_v2(db);
    return ErrorAt(path, SQLITE_READONLY, "the file may not be written");
  }
  return Database(db, busy_timeout_ms, alone);
}

Database::Database(Database&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)),
      busy_timeout_ms_(other.busy_timeout_ms_),
      alone_(other.alone_) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(db_, other.db_);
  std::swap(busy_timeout_ms_, other.busy_timeout_ms_);
  std::swap(alone_, other.alone_);
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
  try {
    (void)db_->Exec("ROLLBACK");
  } catch (const std::bad_alloc&) {  // for the error's message alone; no destructor may throw
  }
}

Status Transaction::Commit() {
  KVLINK_CHECK(db_ != nullptr);
  KVLINK_RETURN_IF_ERROR(db_->Exec("COMMIT"));  // busy: still open, the destructor rolls back
  db_ = nullptr;
  return {};
}

}  // namespace kvlink
