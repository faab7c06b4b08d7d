// The index of documents on SQLite FTS5 (retrieval/document_index.h).
#include "retrieval/document_index.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/sqlite.h"
#include "retrieval/block_rows.h"
#include "retrieval/index_change.h"
#include "retrieval/index_schema.h"
#include "retrieval/search.h"
#include "retrieval/source_rows.h"

namespace kvlink::retrieval {
namespace {

constexpr int64_t kVersionOfBlocks = 2;  // an older index may still be read
constexpr char kBlocksKnown[] = "blocks known";
constexpr char kWordsLeft[] = "words left";

// Documents at their places; an index of an older version knows bytes alone.
std::string PlacedQuery(int64_t version) {
  return std::string(
             "SELECT d.id, d.title, d.text, s.path, p.begin_byte, p.end_byte, d.tokens, d.pinned, "
             "p.ordinal, ") +
         (version < kVersionOfUnits ? "0" : "p.unit") +
         " FROM documents d JOIN places p ON p.document = d.key JOIN sources s ON s.key = "
         "p.source ";
}

// REQUIRES: the statement stands on a row of PlacedQuery.
IndexedDocument RowOf(const Statement& row) {
  IndexedDocument document;
  document.id = row.Text(0);
  document.title = row.Text(1);
  document.text = row.Text(2);
  document.source = row.Text(3);
  document.begin = row.Int(4);
  document.end = row.Int(5);
  document.tokens = row.Int(6);
  document.pinned = row.Int(7) != 0;
  const int64_t unit = row.Int(9);
  if (unit >= 0 && unit <= static_cast<int64_t>(PlaceUnit::kParagraph)) {
    document.unit = static_cast<PlaceUnit>(unit);
  }
  return document;
}

class SqliteIndex : public DocumentIndex {
 public:
  SqliteIndex(std::string path, IndexDatabase database, int busy_timeout_ms)
      : path_(std::move(path)),
        busy_timeout_ms_(busy_timeout_ms),
        version_(database.version),
        notes_(std::move(database.notes)),
        db_(std::move(database.db)) {}

  const std::vector<std::string>& notes() const override { return notes_; }

  Result<bool> IsUnchanged(const std::string& source, const std::string& content_hash) override {
    return Locked<Result<bool>>([&]() -> Result<bool> {
      KVLINK_ASSIGN_OR_RETURN(
          Statement query,
          db_.Prepare("SELECT 1 FROM sources WHERE path = ? AND content_hash = ?"));
      return query.BindText(1, source).BindText(2, content_hash).Step();
    });
  }

  Result<bool> IsListed(const std::string& id) override {
    return Locked<Result<bool>>([&]() -> Result<bool> {
      KVLINK_ASSIGN_OR_RETURN(Statement find, db_.Prepare("SELECT 1 FROM documents WHERE id = ?"));
      return find.BindText(1, id).Step();
    });
  }

  Status Add(const SourceDocument& document, int64_t ordinal, int64_t tokens,
             const std::string& block, const std::string& space) override {
    return Locked<Status>([&]() -> Status {
      KVLINK_ASSIGN_OR_RETURN(Change change, Change::Begin(db_, in_batch_));
      KVLINK_ASSIGN_OR_RETURN(const int64_t source, OpenSource(document.source));
      KVLINK_ASSIGN_OR_RETURN(const int64_t key, PutText(document, tokens));
      KVLINK_ASSIGN_OR_RETURN(
          Statement place,
          db_.Prepare("INSERT INTO places(source, ordinal, document, begin_byte, end_byte, unit) "
                      "VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET begin_byte = "
                      "excluded.begin_byte, end_byte = excluded.end_byte, unit = excluded.unit"));
      place.Bind(1, source).Bind(2, ordinal).Bind(3, key);
      place.Bind(4, document.begin).Bind(5, document.end);
      place.Bind(6, static_cast<int64_t>(document.unit));
      KVLINK_RETURN_IF_ERROR(place.Run());
      KVLINK_RETURN_IF_ERROR(IndexWords(key));
      if (!block.empty()) KVLINK_RETURN_IF_ERROR(AddBlockRow(db_, document.id, block, space));
      return change.Commit();
    });
  }

  using DocumentIndex::FinishSource;
  Result<std::vector<ForgottenDocument>> FinishSource(
      const SourceFile& file, const std::vector<std::string>& ids) override {
    using Gone = Result<std::vector<ForgottenDocument>>;
    return Locked<Gone>([&]() -> Gone {
      KVLINK_ASSIGN_OR_RETURN(Change change, Change::Begin(db_, in_batch_));
      KVLINK_ASSIGN_OR_RETURN(const int64_t source, OpenSource(file.path));
      KVLINK_ASSIGN_OR_RETURN(std::vector<ForgottenDocument> orphans, KeepOnly(source, ids));
      // A document that was removed meanwhile comes back when the source is indexed again.
      KVLINK_ASSIGN_OR_RETURN(
          Statement record,
          db_.Prepare("UPDATE sources SET content_hash = nullif(?1, '') WHERE key = ?2 AND "
                      "(SELECT count(*) FROM places WHERE source = ?2) = ?3"));
      record.BindText(1, file.content_hash).Bind(2, source);
      record.Bind(3, static_cast<int64_t>(ids.size()));
      KVLINK_RETURN_IF_ERROR(record.Run());
      KVLINK_RETURN_IF_ERROR(RecordFileState(db_, file.path, file.state));
      KVLINK_RETURN_IF_ERROR(change.Commit());
      return orphans;
    });
  }

  Result<std::map<std::string, FileState>> FileStates() override {
    return Locked<Result<std::map<std::string, FileState>>>(
        [&] { return ReadFileStates(db_, version_); });
  }

  Status SetFileState(const std::string& source, const FileState& state) override {
    return Locked<Status>([&]() -> Status {
      KVLINK_ASSIGN_OR_RETURN(Change change, Change::Begin(db_, in_batch_));
      KVLINK_RETURN_IF_ERROR(RecordFileState(db_, source, state));
      return change.Commit();
    });
  }

  Result<std::vector<std::string>> PinnedIds() override {
    return Locked<Result<std::vector<std::string>>>([&]() -> Result<std::vector<std::string>> {
      KVLINK_ASSIGN_OR_RETURN(Statement query,
                              db_.Prepare("SELECT id FROM documents WHERE pinned != 0"));
      std::vector<std::string> ids;
      while (true) {
        KVLINK_ASSIGN_OR_RETURN(const bool row, query.Step());
        if (!row) return ids;
        ids.emplace_back(query.Text(0));
      }
    });
  }

  Result<bool> IsEmpty() override {
    return Locked<Result<bool>>([&]() -> Result<bool> {
      KVLINK_ASSIGN_OR_RETURN(Statement query, db_.Prepare("SELECT 1 FROM documents LIMIT 1"));
      KVLINK_ASSIGN_OR_RETURN(const bool row, query.Step());
      return !row;
    });
  }

  Result<std::vector<std::string>> Sources() override {
    return Locked<Result<std::vector<std::string>>>([&]() -> Result<std::vector<std::string>> {
      KVLINK_ASSIGN_OR_RETURN(Statement query,
                              db_.Prepare("SELECT path FROM sources ORDER BY path"));
      std::vector<std::string> paths;
      while (true) {
        KVLINK_ASSIGN_OR_RETURN(const bool row, query.Step());
        if (!row) return paths;
        paths.emplace_back(query.Text(0));
      }
    });
  }

  Status InBatch(const std::function<Status()>& work) override {
    return Locked<Status>([&]() -> Status {
      KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db_));
      in_batch_ = true;
      Status done;
      try {
        done = work();
      } catch (...) {
        in_batch_ = false;
        throw;
      }
      in_batch_ = false;
      KVLINK_RETURN_IF_ERROR(done);
      return transaction.Commit();
    });
  }

  Result<std::vector<ListedDocument>> PageOfSource(const std::string& source,
                                                   const std::string& space,
                                                   const ListedDocument* after,
                                                   int64_t limit) override {
    return Locked<Result<std::vector<ListedDocument>>>(
        [&] { return retrieval::PageOfSource(db_, source, space, after, limit); });
  }

  Result<std::vector<ListedDocument>> PageOfMostUsed(const std::string& space,
                                                     const ListedDocument* after,
                                                     int64_t limit) override {
    return Locked<Result<std::vector<ListedDocument>>>(
        [&] { return retrieval::PageOfMostUsed(db_, space, after, limit); });
  }

  Status CountUses(const std::vector<std::string>& ids) override {
    return Locked<Status>([&]() -> Status {
      constexpr int kPatienceMs = 200;
      const Patience patience(db_, kPatienceMs, busy_timeout_ms_);
      KVLINK_ASSIGN_OR_RETURN(Change change, Change::Begin(db_, in_batch_));
      KVLINK_RETURN_IF_ERROR(retrieval::CountUses(db_, ids));
      return change.Commit();
    });
  }

  Result<std::vector<ForgottenDocument>> ForgetSource(const std::string& source) override {
    using Gone = Result<std::vector<ForgottenDocument>>;
    return Locked<Gone>([&]() -> Gone {
      KVLINK_ASSIGN_OR_RETURN(Change change, Change::Begin(db_, in_batch_));
      KVLINK_ASSIGN_OR_RETURN(Statement find,
                              db_.Prepare("SELECT key FROM sources WHERE path = ?"));
      KVLINK_ASSIGN_OR_RETURN(const bool known, find.BindText(1, source).Step());
      if (!known) return std::vector<ForgottenDocument>();
      const int64_t key = find.Int(0);
      find.Reset();
      KVLINK_ASSIGN_OR_RETURN(std::vector<ForgottenDocument> orphans, KeepOnly(key, {}));
      KVLINK_ASSIGN_OR_RETURN(Statement forget, db_.Prepare("DELETE FROM sources WHERE key = ?"));
      KVLINK_RETURN_IF_ERROR(forget.Bind(1, key).Run());
      KVLINK_RETURN_IF_ERROR(change.Commit());
      return orphans;
    });
  }

  Result<SearchResult> Search(std::string_view question, int limit) override {
    if (limit <= 0) return SearchResult();
    return Locked<Result<SearchResult>>([&] { return Best(question, static_cast<size_t>(limit)); });
  }

  Result<IndexedDocument> Get(const std::string& id) override {
    return Locked<Result<IndexedDocument>>([&]() -> Result<IndexedDocument> {
      KVLINK_ASSIGN_OR_RETURN(const Transaction snapshot, Transaction::BeginRead(db_));
      KVLINK_ASSIGN_OR_RETURN(const int64_t key, KeyOf(id));
      KVLINK_ASSIGN_OR_RETURN(auto placed, FirstPlace(key));
      return std::move(placed.first);
    });
  }

  Result<std::vector<IndexedDocument>> List() override {
    return Locked<Result<std::vector<IndexedDocument>>>(
        [&]() -> Result<std::vector<IndexedDocument>> {
          KVLINK_ASSIGN_OR_RETURN(Statement query, db_.Prepare(PlacedQuery(version_) +
                                                               "ORDER BY s.path, p.ordinal, d.id"));
          std::vector<IndexedDocument> documents;
          while (true) {
            KVLINK_ASSIGN_OR_RETURN(const bool row, query.Step());
            if (!row) return documents;
            documents.push_back(RowOf(query));
          }
        });
  }

  Status Remove(const std::string& id) override {
    return Locked<Status>([&]() -> Status {
      KVLINK_ASSIGN_OR_RETURN(Change change, Change::Begin(db_, in_batch_));
      KVLINK_ASSIGN_OR_RETURN(const int64_t key, KeyOf(id));
      // Its sources hold more now than the index knows, so they count as changed.
      for (const char* sql : {"UPDATE sources SET content_hash = NULL WHERE key IN "
                              "(SELECT source FROM places WHERE document = ?)",
                              "DELETE FROM places WHERE document = ?"}) {
        KVLINK_ASSIGN_OR_RETURN(Statement statement, db_.Prepare(sql));
        KVLINK_RETURN_IF_ERROR(statement.Bind(1, key).Run());
      }
      KVLINK_RETURN_IF_ERROR(DropText(key));
      return change.Commit();
    });
  }

  Status SetPinned(const std::string& id, bool pinned) override {
    return Locked<Status>([&]() -> Status {
      KVLINK_ASSIGN_OR_RETURN(Change change, Change::Begin(db_, in_batch_));
      KVLINK_ASSIGN_OR_RETURN(const int64_t key, KeyOf(id));
      KVLINK_ASSIGN_OR_RETURN(Statement update,
                              db_.Prepare("UPDATE documents SET pinned = ? WHERE key = ?"));
      KVLINK_RETURN_IF_ERROR(update.Bind(1, int64_t{pinned}).Bind(2, key).Run());
      return change.Commit();
    });
  }

  Status AddBlockOfKnown(const std::string& id, const std::string& block, const std::string& space,
                         int patience_ms) override {
    return Locked<Status>([&]() -> Status {
      KVLINK_ASSIGN_OR_RETURN(const bool there, HasBlockRow(db_, id, block, space));
      if (there) return {};
      const Patience patience(db_, patience_ms, busy_timeout_ms_);
      KVLINK_ASSIGN_OR_RETURN(Change change, Change::Begin(db_, in_batch_));
      KVLINK_ASSIGN_OR_RETURN(Statement find, db_.Prepare("SELECT 1 FROM documents WHERE id = ?"));
      KVLINK_ASSIGN_OR_RETURN(const bool known, find.BindText(1, id).Step());
      if (!known) return NotFound("document " + id + " was removed meanwhile");
      find.Reset();
      KVLINK_RETURN_IF_ERROR(AddBlockRow(db_, id, block, space));
      return change.Commit();
    });
  }

  Result<std::vector<std::string>> BlocksOf(const std::string& id) override {
    return Locked<Result<std::vector<std::string>>>([&]() -> Result<std::vector<std::string>> {
      if (version_ < kVersionOfBlocks) return std::vector<std::string>();
      return BlocksOfDocument(db_, id);
    });
  }

  Result<bool> KnowsBlocks() override {
    return Locked<Result<bool>>([&]() -> Result<bool> {
      if (version_ < kVersionOfBlocks) return false;
      return HasFact(db_, kBlocksKnown);
    });
  }

  Status LearnBlocks(const std::vector<std::pair<std::string, std::string>>& blocks) override {
    return Locked<Status>([&]() -> Status {
      KVLINK_ASSIGN_OR_RETURN(Change change, Change::Begin(db_, in_batch_));
      for (const auto& [id, block] : blocks) {
        KVLINK_RETURN_IF_ERROR(AddBlockRow(db_, id, block, ""));
      }
      KVLINK_RETURN_IF_ERROR(SetFact(db_, kBlocksKnown, true));
      return change.Commit();
    });
  }

  Result<std::vector<std::string>> LeftoverBlocks() override {
    return Locked<Result<std::vector<std::string>>>([&] { return retrieval::LeftoverBlocks(db_); });
  }

  Status ForgetBlocks(const std::vector<std::string>& blocks) override {
    return Locked<Status>([&]() -> Status {
      KVLINK_ASSIGN_OR_RETURN(Change change, Change::Begin(db_, in_batch_));
      for (const std::string& block : blocks) KVLINK_RETURN_IF_ERROR(ForgetBlock(db_, block));
      return change.Commit();
    });
  }

  Result<bool> MendWords() override {
    return Locked<Result<bool>>([&] { return retrieval::MendWords(db_); });
  }

  Status Scrub() override {
    return Locked<Status>([&]() -> Status {
      KVLINK_ASSIGN_OR_RETURN(const bool left, HasFact(db_, kWordsLeft));
      if (!left) return {};
      {
        KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db_));
        // FTS5 keeps the words of a deleted row until its segments are merged into one.
        KVLINK_RETURN_IF_ERROR(
            db_.Exec("INSERT INTO documents_fts(documents_fts) VALUES('optimize')"));
        KVLINK_RETURN_IF_ERROR(transaction.Commit());
      }
      // The log holds pages as they were, and is emptied only where no other connection reads it.
      KVLINK_ASSIGN_OR_RETURN(const bool empty, db_.EmptyWal());
      if (!empty) return {};
      KVLINK_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(db_));
      KVLINK_RETURN_IF_ERROR(SetFact(db_, kWordsLeft, false));
      return transaction.Commit();
    });
  }

 private:
  using Placed = std::pair<IndexedDocument, int64_t>;  // and its ordinal

  template <class R, class F>
  R Locked(F f) {
    const std::lock_guard lock(mutex_);
    R result = f();
    if (result.code() == StatusCode::kDataLoss) return WithRebuildAdvice(path_, StatusOf(result));
    return result;
  }
  static Status StatusOf(const Status& status) { return status; }
  template <class T>
  static Status StatusOf(const Result<T>& result) {
    return result.status();
  }

  // The source's key; from now on it is not indexed to the end.
  Result<int64_t> OpenSource(const std::string& path) {
    KVLINK_ASSIGN_OR_RETURN(
        Statement put,
        db_.Prepare("INSERT INTO sources(path) VALUES(?) ON CONFLICT(path) DO UPDATE "
                    "SET content_hash = NULL RETURNING key"));
    KVLINK_ASSIGN_OR_RETURN(const bool row, put.BindText(1, path).Step());
    if (!row) return Internal(path_ + ": no key for source " + path);
    return put.Int(0);
  }

  Result<int64_t> PutText(const SourceDocument& document, int64_t tokens) {
    KVLINK_ASSIGN_OR_RETURN(Statement find,
                            db_.Prepare("SELECT key, title, text FROM documents WHERE id = ?"));
    KVLINK_ASSIGN_OR_RETURN(const bool known, find.BindText(1, document.id).Step());
    if (known) {
      if (find.Text(1) != document.title || find.Text(2) != document.text) {
        return InvalidArgument("document " + document.id +
                               ": its id stands for another text already; ids must come from "
                               "title and text");
      }
      const int64_t key = find.Int(0);
      KVLINK_ASSIGN_OR_RETURN(Statement update,
                              db_.Prepare("UPDATE documents SET tokens = ? WHERE key = ?"));
      KVLINK_RETURN_IF_ERROR(update.Bind(1, tokens).Bind(2, key).Run());
      return key;
    }
    KVLINK_ASSIGN_OR_RETURN(
        Statement insert,
        db_.Prepare("INSERT INTO documents(id, title, text, tokens) VALUES(?, ?, ?, ?)"));
    insert.BindText(1, document.id).BindText(2, document.title).BindText(3, document.text);
    KVLINK_RETURN_IF_ERROR(insert.Bind(4, tokens).Run());
    return db_.QueryInt("SELECT last_insert_rowid()");
  }

  // Puts the document's words into documents_fts, or new ones of its files' names.
  Status IndexWords(int64_t key) {
    KVLINK_ASSIGN_OR_RETURN(std::string names, FileNamesOf(db_, key));
    KVLINK_ASSIGN_OR_RETURN(Statement had,
                            db_.Prepare("SELECT file_names FROM documents WHERE key = ?"));
    KVLINK_ASSIGN_OR_RETURN(const bool row, had.Bind(1, key).Step());
    if (!row || (!had.IsNull(0) && had.Text(0) == names)) return {};
    if (!had.IsNull(0)) KVLINK_RETURN_IF_ERROR(DropWords(key));
    had.Reset();
    KVLINK_ASSIGN_OR_RETURN(Statement keep,
                            db_.Prepare("UPDATE documents SET file_names = ? WHERE key = ?"));
    KVLINK_RETURN_IF_ERROR(keep.BindText(1, names).Bind(2, key).Run());
    KVLINK_ASSIGN_OR_RETURN(
        Statement words,
        db_.Prepare("INSERT INTO documents_fts(rowid, title, text, file_names) "
                    "SELECT key, title, text, file_names FROM documents WHERE key = ?"));
    return words.Bind(1, key).Run();
  }

  // FTS5 over foreign content must be told the old words when a row goes.
  Status DropWords(int64_t key) {
    KVLINK_ASSIGN_OR_RETURN(
        Statement drop,
        db_.Prepare("INSERT INTO documents_fts(documents_fts, rowid, title, text, file_names) "
                    "SELECT 'delete', key, title, text, file_names FROM documents "
                    "WHERE key = ? AND file_names IS NOT NULL"));
    return drop.Bind(1, key).Run();
  }

  Status DropText(int64_t key) {
    {
      KVLINK_ASSIGN_OR_RETURN(Statement find,
                              db_.Prepare("SELECT id FROM documents WHERE key = ?"));
      KVLINK_ASSIGN_OR_RETURN(const bool row, find.Bind(1, key).Step());
      if (row) KVLINK_RETURN_IF_ERROR(LeaveBlocksOf(db_, std::string(find.Text(0))));
    }
    KVLINK_RETURN_IF_ERROR(SetFact(db_, kWordsLeft, true));
    KVLINK_RETURN_IF_ERROR(DropWords(key));
    KVLINK_ASSIGN_OR_RETURN(Statement drop, db_.Prepare("DELETE FROM documents WHERE key = ?"));
    return drop.Bind(1, key).Run();
  }

  // Drops the source's places but those of `documents`, and the texts that stand nowhere any more.
  // Returns these, by id.
  Result<std::vector<ForgottenDocument>> KeepOnly(int64_t source,
                                                  const std::vector<std::string>& ids) {
    struct Stale {
      int64_t ordinal, document;
    };
    std::vector<Stale> stale;
    KVLINK_ASSIGN_OR_RETURN(Statement query,
                            db_.Prepare("SELECT p.ordinal, p.document, d.id FROM places p JOIN "
                                        "documents d ON d.key = p.document WHERE p.source = ?"));
    query.Bind(1, source);
    while (true) {
      KVLINK_ASSIGN_OR_RETURN(const bool row, query.Step());
      if (!row) break;
      const int64_t ordinal = query.Int(0);
      const bool kept = ordinal >= 0 && ordinal < static_cast<int64_t>(ids.size()) &&
                        ids[static_cast<size_t>(ordinal)] == query.Text(2);
      if (!kept) stale.push_back({ordinal, query.Int(1)});
    }
    KVLINK_ASSIGN_OR_RETURN(
        Statement drop,
        db_.Prepare("DELETE FROM places WHERE source = ? AND ordinal = ? AND document = ?"));
    std::set<int64_t> candidates;
    for (const Stale& place : stale) {
      drop.Bind(1, source).Bind(2, place.ordinal).Bind(3, place.document);
      KVLINK_RETURN_IF_ERROR(drop.Run());
      candidates.insert(place.document);
    }
    KVLINK_ASSIGN_OR_RETURN(
        Statement orphan,
        db_.Prepare("SELECT id, title, tokens FROM documents WHERE key = ?1 AND NOT EXISTS "
                    "(SELECT 1 FROM places WHERE document = ?1)"));
    std::vector<ForgottenDocument> orphans;
    for (const int64_t key : candidates) {
      KVLINK_ASSIGN_OR_RETURN(const bool row, orphan.Bind(1, key).Step());
      if (!row) {
        KVLINK_RETURN_IF_ERROR(IndexWords(key));  // one file fewer has it
        continue;
      }
      orphans.push_back({std::string(orphan.Text(0)), std::string(orphan.Text(1)), orphan.Int(2)});
      orphan.Reset();
      KVLINK_RETURN_IF_ERROR(DropText(key));
    }
    std::sort(orphans.begin(), orphans.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    return orphans;
  }

  // The key of the one document whose id is `id` or begins with it.
  Result<int64_t> KeyOf(const std::string& id) {
    if (id.empty()) return InvalidArgument("a document's id is empty; kvlink docs list shows ids");
    KVLINK_ASSIGN_OR_RETURN(Statement exact, db_.Prepare("SELECT key FROM documents WHERE id = ?"));
    KVLINK_ASSIGN_OR_RETURN(const bool found, exact.BindText(1, id).Step());
    if (found) return exact.Int(0);
    // 0xff is in no UTF-8, so it sorts behind every id that begins with `id`.
    KVLINK_ASSIGN_OR_RETURN(
        Statement prefixed,
        db_.Prepare("SELECT min(key), count(*) FROM documents WHERE id >= ? AND id < ?"));
    KVLINK_ASSIGN_OR_RETURN(const bool row,
                            prefixed.BindText(1, id).BindText(2, id + "\xff").Step());
    const int64_t matches = row ? prefixed.Int(1) : 0;
    if (matches == 0) {
      return NotFound("no document " + id + " in " + path_ +
                      "; kvlink docs list shows what is there");
    }
    if (matches > 1) {
      return InvalidArgument(std::to_string(matches) + " documents have ids that begin with " + id +
                             "; give more of the id");
    }
    return prefixed.Int(0);
  }

  Result<Placed> FirstPlace(int64_t key) {
    KVLINK_ASSIGN_OR_RETURN(
        Statement query,
        db_.Prepare(PlacedQuery(version_) + "WHERE d.key = ? ORDER BY s.path, p.ordinal LIMIT 1"));
    KVLINK_ASSIGN_OR_RETURN(const bool row, query.Bind(1, key).Step());
    if (!row) return DataLoss(path_ + ": a document has no place in any source");
    return Placed(RowOf(query), query.Int(8));
  }

  Result<SearchResult> Best(std::string_view question, size_t limit) {
    // Another process may forget a document between the scores and its text.
    KVLINK_ASSIGN_OR_RETURN(const Transaction snapshot, Transaction::BeginRead(db_));
    KVLINK_ASSIGN_OR_RETURN(FoundKeys found, FindKeys(db_, question, limit));
    struct Candidate {
      SearchHit hit;
      int64_t ordinal;
    };
    std::vector<Candidate> candidates;
    for (const FoundKey& key : found.keys) {
      KVLINK_ASSIGN_OR_RETURN(Placed placed, FirstPlace(key.key));
      candidates.push_back({{std::move(placed.first), key.score, key.coverage}, placed.second});
    }
    const auto before = [](const Candidate& a, const Candidate& b) {
      if (a.hit.score != b.hit.score) return a.hit.score > b.hit.score;
      if (a.hit.document.source != b.hit.document.source) {
        return a.hit.document.source < b.hit.document.source;
      }
      if (a.ordinal != b.ordinal) return a.ordinal < b.ordinal;
      return a.hit.document.id < b.hit.document.id;
    };
    if (found.how != HowFound::kMostRecent) {
      std::sort(candidates.begin(), candidates.end(), before);
    }
    SearchResult result;
    result.how = found.how;
    result.note = found.keys.empty() ? "" : std::move(found.note);
    for (size_t i = 0; i < std::min(limit, candidates.size()); ++i) {
      result.hits.push_back(std::move(candidates[i].hit));
    }
    return result;
  }

  const std::string path_;
  const int busy_timeout_ms_;
  const int64_t version_;
  const std::vector<std::string> notes_;
  std::recursive_mutex mutex_;  // SQLite's own are off; work of a batch comes back
  bool in_batch_ = false;
  Database db_;
};

}  // namespace

Result<std::unique_ptr<DocumentIndex>> DocumentIndex::Open(const std::string& path, bool read_only,
                                                           int busy_timeout_ms) {
  KVLINK_ASSIGN_OR_RETURN(IndexDatabase db, OpenIndexDatabase(path, read_only, busy_timeout_ms));
  return std::unique_ptr<DocumentIndex>(
      std::make_unique<SqliteIndex>(path, std::move(db), busy_timeout_ms));
}

}  // namespace kvlink::retrieval
