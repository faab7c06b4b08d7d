// SQLite behind Status: a connection, a prepared statement and a transaction that close themselves,
// and errors that name the file and what to make of them. No schema, no query lives here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "kvlink/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace kvlink {

// Where a database has no room for the -shm file that its log wants (a full disk), or may not have
// one, it is opened without: alone (other connections wait), or, to be read, as the file stands.
enum class DatabaseMode {
  kReadOnly,   // never writes beside the file either, if the folder forbids it
  kReadWrite,  // the file must be there
  kCreate,     // made if it is missing
};

// One prepared statement. Columns count from 0, parameters from 1. Owner: one thread at a time,
// and the Database outlives it. A failed Bind is reported by the next Step.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  Statement& Bind(int index, int64_t value);
  Statement& Bind(int index, double value);
  Statement& BindText(int index, std::string_view value);  // copied
  Statement& BindBlob(int index, std::string_view value);  // copied
  Statement& BindNull(int index);

  // True: a row stands ready; false: done, and the statement is reset for its next use.
  Result<bool> Step();
  // Steps to the end, whatever rows there are.
  Status Run();
  // Back to before the first row; what is bound stays bound.
  void Reset();

  // REQUIRES: Step() was true. The string_views live until the next Step or Reset.
  int64_t Int(int column) const;
  double Real(int column) const;
  std::string_view Text(int column) const;
  std::string_view Blob(int column) const;
  bool IsNull(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  void Keep(int code) {
    if (bind_error_ == 0) bind_error_ = code;
  }
  sqlite3_stmt* statement_ = nullptr;
  int bind_error_ = 0;
};

// How FTS5 takes a text apart. `emit` gets a word, the bytes of the text that it came from, and
// whether it stands at the place of the word before it (another form of the same word); false asks
// to stop. It may not throw; any bytes may come.
struct FullTextWord {
  std::string_view word;
  size_t begin = 0;
  size_t end = 0;
  bool same_place = false;
};
using EmitWord = std::function<bool(const FullTextWord&)>;
// `is_query`: the text is of a MATCH, not of a document.
using FullTextTokenizer = void (*)(std::string_view text, bool is_query, const EmitWord& emit);

// One connection. Owner: one thread at a time (SQLite's own mutexes are off). Foreign files are
// opened defensively: their schema is not trusted with functions.
class Database {
 public:
  // Waits up to busy_timeout_ms for locks of other connections, here and in every later call.
  // The file's header is read, so that what is no database fails here. A file that is made is its
  // owner's alone (0600). Errors: kNotFound (missing, and the mode does not create it), kDataLoss
  // (damaged or no database), kFailedPrecondition (may not be written, or no file),
  // kResourceExhausted (the disk is full), kUnavailable (locked, I/O).
  static Result<Database> Open(const std::string& path, DatabaseMode mode,
                               int busy_timeout_ms = 10'000);
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  // No file could be made beside it: other connections are kept out as long as this one is open.
  bool alone() const { return alone_; }

  Status Exec(const char* sql);  // one or more statements; rows are dropped
  // Journals to a write-ahead log from now on, as the file will remember. Unlike the PRAGMA it
  // waits for other connections' locks. REQUIRES: no transaction is open.
  Status EnableWal();
  // Moves the write-ahead log into the file and empties it. False: another connection reads from
  // it; it is not waited for. REQUIRES: no transaction is open.
  Result<bool> EmptyWal();
  Result<Statement> Prepare(std::string_view sql);
  // The first column of the first row. kInternal if there is no row.
  Result<int64_t> QueryInt(std::string_view sql);
  // What tokenize='NAME' means on this connection. FTS5 tables that name it can't be used before.
  Status AddTokenizer(const char* name, FullTextTokenizer tokenizer);
  int64_t changes() const;  // rows that the last INSERT, UPDATE or DELETE touched

 private:
  Database(sqlite3* db, int busy_timeout_ms, bool alone)
      : db_(db), busy_timeout_ms_(busy_timeout_ms), alone_(alone) {}
  sqlite3* db_ = nullptr;
  int busy_timeout_ms_ = 0;
  bool alone_ = false;
};

// Rolled back when it goes without a Commit. The Database outlives it and is not moved meanwhile.
class Transaction {
 public:
  // Holds the write lock from the start, so that no statement in between finds it taken.
  static Result<Transaction> Begin(Database& db);
  // For reading only: everything that is read is of one moment.
  static Result<Transaction> BeginRead(Database& db);
  Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status Commit();

 private:
  explicit Transaction(Database* db) : db_(db) {}
  Database* db_ = nullptr;
};

}  // namespace kvlink
