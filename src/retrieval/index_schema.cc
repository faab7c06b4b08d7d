// The tables of documents.sqlite (retrieval/index_schema.h).
#include "retrieval/index_schema.h"

#include <array>
#include <string_view>
#include <utility>

#include "retrieval/search_words.h"

namespace kvlink::retrieval {
namespace {

constexpr int64_t kApplicationId = 0x6b766c69;  // "kvli", as file(1) shows it

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

// Version 3: file names are searched, and texts by our own analysis instead of SQLite's.
constexpr char kFileNames[] = R"sql(
  ALTER TABLE documents ADD COLUMN file_names TEXT;
  CREATE TABLE analysis(version TEXT NOT NULL);
)sql";

// Version 4: whose block a block is, and how often a document was used.
constexpr char kSpacesAndUses[] = R"sql(
  ALTER TABLE blocks ADD COLUMN space TEXT NOT NULL DEFAULT '';
  ALTER TABLE documents ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX documents_by_use ON documents(uses, key);
)sql";

// Version 5: places may be pages, chapters or paragraphs.
constexpr char kUnits[] = R"sql(
  ALTER TABLE places ADD COLUMN unit INTEGER NOT NULL DEFAULT 0;
)sql";

// Texts of an id never change, so documents_fts needs no triggers: rows come and go whole.
constexpr char kWords[] = R"sql(
  DROP TABLE IF EXISTS documents_fts;
  CREATE VIRTUAL TABLE documents_fts USING fts5(
    title, text, file_names, content='documents', content_rowid='key', tokenize='kvlink');
  DELETE FROM analysis;
)sql";

// For an index that may not be written: its words are found again, and kept in memory.
constexpr char kWordsInMemory[] = R"sql(
  CREATE VIRTUAL TABLE temp.documents_fts USING fts5(
    title, text, file_names, content='', tokenize='kvlink');
)sql";

// What leads from version n to n + 1; a new index goes through all of them.
constexpr std::array<const char*, kIndexVersion> kSteps = {kSchema, kBlocksAndFiles, kFileNames,
                                                           kSpacesAndUses, kUnits};

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

// FTS5's tokenizer. A question's words come from SearchWords already and are taken as they are.
void Tokenize(std::string_view text, bool is_query, const EmitWord& emit) {
  if (is_query) {
    if (!text.empty()) emit({text, 0, text.size(), false});
    return;
  }
  for (const SearchWord& word : SearchWords(text)) {
    if (!emit({word.word, word.begin, word.end, word.form != SearchWord::kWord})) return;
  }
}

// Fills an empty documents_fts, and file_names where `keep_names`.
Status FillWords(Database& db, bool keep_names) {
  KVLINK_ASSIGN_OR_RETURN(Statement read, db.Prepare("SELECT key, title, text FROM documents"));
  KVLINK_ASSIGN_OR_RETURN(
      Statement write,
      db.Prepare("INSERT INTO documents_fts(rowid, title, text, file_names) VALUES(?, ?, ?, ?)"));
  std::vector<std::pair<int64_t, std::string>> names;
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (!row) break;
    const int64_t key = read.Int(0);
    KVLINK_ASSIGN_OR_RETURN(std::string file_names, FileNamesOf(db, key));
    write.Bind(1, key).BindText(2, read.Text(1)).BindText(3, read.Text(2)).BindText(4, file_names);
    KVLINK_RETURN_IF_ERROR(write.Run());
    names.emplace_back(key, std::move(file_names));
  }
  if (!keep_names) return {};
  KVLINK_ASSIGN_OR_RETURN(Statement update,
                          db.Prepare("UPDATE documents SET file_names = ? WHERE key = ?"));
  for (const auto& [key, file_names] : names) {
    KVLINK_RETURN_IF_ERROR(update.BindText(1, file_names).Bind(2, key).Run());
  }
  return {};
}

// documents_fts anew, from the texts. REQUIRES: a transaction is open.
Status WriteWords(Database& db) {
  KVLINK_RETURN_IF_ERROR(db.Exec(kWords));
  KVLINK_RETURN_IF_ERROR(FillWords(db, /*keep_names=*/true));
  KVLINK_ASSIGN_OR_RETURN(Statement made_by, db.Prepare("INSERT INTO analysis VALUES(?)"));
  return made_by.BindText(1, SearchAnalysisVersion()).Run();
}

Result<bool> WordsAreCurrent(Database& db, int64_t version) {
  constexpr int64_t kVersionOfAnalysis = 3;
  if (version < kVersionOfAnalysis) return false;
  KVLINK_ASSIGN_OR_RETURN(Statement made_by, db.Prepare("SELECT version FROM analysis"));
  KVLINK_ASSIGN_OR_RETURN(const bool row, made_by.Step());
  return row && made_by.Text(0) == SearchAnalysisVersion();
}

// From whatever version and analysis there is, none included, to these: all or nothing.
Status BringUpToDate(Database& db, const std::string& path, std::vector<std::string>* notes) {
  KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db));
  KVLINK_ASSIGN_OR_RETURN(const int64_t version, VersionOf(db, path));
  for (auto step = static_cast<size_t>(version); step < kSteps.size(); ++step) {
    KVLINK_RETURN_IF_ERROR(db.Exec(kSteps[step]));
  }
  KVLINK_ASSIGN_OR_RETURN(const bool current, WordsAreCurrent(db, version));
  if (current && version == kIndexVersion) return {};  // another process was quicker
  if (!current) KVLINK_RETURN_IF_ERROR(WriteWords(db));
  const std::string marks = "PRAGMA application_id=" + std::to_string(kApplicationId) +
                            "; PRAGMA user_version=" + std::to_string(kIndexVersion);
  KVLINK_RETURN_IF_ERROR(db.Exec(marks.c_str()));
  KVLINK_RETURN_IF_ERROR(transaction.Commit());
  if (version != 0 && !current) {
    notes->push_back(path +
                     ": texts are searched by other rules now; their words were indexed again");
  }
  return {};
}

struct State {
  int64_t version = 0;
  bool current = false;  // its words
};
Result<State> StateNow(Database& db, const std::string& path) {
  KVLINK_ASSIGN_OR_RETURN(const Transaction snapshot, Transaction::BeginRead(db));
  State state;
  KVLINK_ASSIGN_OR_RETURN(state.version, VersionOf(db, path));
  KVLINK_ASSIGN_OR_RETURN(state.current, WordsAreCurrent(db, state.version));
  return state;
}

// What a connection needs besides the file's tables.
Status AddTemporaryTables(Database& db, bool words_in_memory, bool has_names) {
  const std::string terms = words_in_memory ? "temp" : "main";
  const std::string sql = "CREATE VIRTUAL TABLE temp.documents_terms USING fts5vocab('" + terms +
                          "', 'documents_fts', 'row');"
                          "CREATE TEMP TABLE named_sources(key INTEGER PRIMARY KEY);"
                          "CREATE TEMP VIEW search_texts AS SELECT key, title, text, " +
                          (has_names ? "file_names" : "'' AS file_names") + " FROM main.documents";
  return db.Exec(sql.c_str());
}

Result<IndexDatabase> Open(const std::string& path, bool read_only, int busy_timeout_ms) {
  const DatabaseMode mode = read_only ? DatabaseMode::kReadOnly : DatabaseMode::kCreate;
  KVLINK_ASSIGN_OR_RETURN(Database db, Database::Open(path, mode, busy_timeout_ms));
  KVLINK_RETURN_IF_ERROR(db.AddTokenizer("kvlink", Tokenize));
  KVLINK_ASSIGN_OR_RETURN(State state, StateNow(db, path));
  if (read_only && state.version == 0) {
    return NotFound(path + ": is empty; index some texts first: kvlink index PATH");
  }
  std::vector<std::string> notes;
  if (!read_only) {
    // What is forgotten leaves the file: SQLite's free pages would keep its words.
    KVLINK_RETURN_IF_ERROR(db.Exec("PRAGMA secure_delete=ON"));
    if (!state.current || state.version < kIndexVersion) {
      const Status status = BringUpToDate(db, path, &notes);
      // Busy or full: whoever only asks can still be answered.
      const bool can_wait = state.version != 0 && (status.code() == StatusCode::kUnavailable ||
                                                   status.code() == StatusCode::kResourceExhausted);
      if (!status.ok() && !can_wait) return status;
      if (status.ok()) state = {kIndexVersion, true};
    }
    KVLINK_RETURN_IF_ERROR(db.EnableWal());
  }
  // What a crash may take back can be indexed again; waiting for the disk at each document cannot
  // be bought back. WAL keeps the file whole either way.
  KVLINK_RETURN_IF_ERROR(db.Exec("PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY"));
  if (!state.current) {
    KVLINK_ASSIGN_OR_RETURN(Transaction snapshot, Transaction::BeginRead(db));
    KVLINK_RETURN_IF_ERROR(db.Exec(kWordsInMemory));
    KVLINK_RETURN_IF_ERROR(FillWords(db, /*keep_names=*/false));
    KVLINK_RETURN_IF_ERROR(snapshot.Commit());
    notes.push_back(path +
                    ": was indexed by other rules and can't be written now; its words were found "
                    "again for this run (where it can be written, that is done once)");
  }
  KVLINK_RETURN_IF_ERROR(
      AddTemporaryTables(db, /*words_in_memory=*/!state.current, state.version >= 3));
  return IndexDatabase{std::move(db), state.version, std::move(notes)};
}

}  // namespace

Status WithRebuildAdvice(const std::string& path, Status status) {
  if (status.code() != StatusCode::kDataLoss) return status;
  return DataLoss(status.message() + "; to rebuild the index, remove " + path +
                  " and its -wal and -shm files and run kvlink index on the texts again (blocks "
                  "in the store are kept and used)");
}

Result<std::string> FileNamesOf(Database& db, int64_t document) {
  KVLINK_ASSIGN_OR_RETURN(
      Statement query,
      db.Prepare("SELECT DISTINCT s.path FROM places p JOIN sources s ON s.key = p.source "
                 "WHERE p.document = ? ORDER BY s.path LIMIT 8"));
  query.Bind(1, document);
  std::string names;
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const bool row, query.Step());
    if (!row) return names;
    const std::string_view path = query.Text(0);
    // Each of the many texts of such a file has a name of its own, or none.
    if (!path.starts_with('/') || path.ends_with(".jsonl")) continue;
    names += (names.empty() ? "" : " ") + FileNameWords(path);
  }
}

Result<bool> MendWords(Database& db) {
  KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db));
  // With a rank of 1 the words are held against the texts too, which they match once every text is
  // in (file_names of one that is not is null).
  const Status sound = db.Exec(
      "INSERT INTO main.documents_fts(documents_fts, rank) SELECT 'integrity-check', "
      "NOT EXISTS (SELECT 1 FROM main.documents WHERE file_names IS NULL)");
  if (sound.ok()) return false;
  if (sound.code() != StatusCode::kDataLoss) return sound;
  KVLINK_RETURN_IF_ERROR(WriteWords(db));
  KVLINK_RETURN_IF_ERROR(transaction.Commit());
  return true;
}

Result<IndexDatabase> OpenIndexDatabase(const std::string& path, bool read_only,
                                        int busy_timeout_ms) {
  Result<IndexDatabase> db = Open(path, read_only, busy_timeout_ms);
  if (!db.ok()) return WithRebuildAdvice(path, db.status());
  return db;
}

}  // namespace kvlink::retrieval
