// The documents that `index` has seen: texts, titles, sources, and a full-text index (SQLite FTS5,
// BM25) that finds them. One SQLite file (WAL) in the store's folder: documents.sqlite.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kvlink/status.h"
#include "retrieval/search.h"
#include "retrieval/sources.h"

namespace kvlink {

struct IndexedDocument {
  std::string id;
  std::string title;
  std::string text;
  std::string source;
  int64_t begin = 0;  // in `unit`s of the source
  int64_t end = 0;
  PlaceUnit unit = PlaceUnit::kByte;
  int64_t tokens = 0;  // rendered, under the model that indexed it last
  bool pinned = false;
  SourceState source_state = SourceState::kUnknown;  // filled by whoever looks at the file
};

struct SearchHit {
  IndexedDocument document;
  double score = 0;     // larger is better; comparable between hits of one question (0: not ranked)
  double coverage = 0;  // 0..1: the share of the question's words, weighed by rarity, that it has
};

struct SearchResult {
  std::vector<SearchHit> hits;  // best first
  HowFound how = HowFound::kMatched;
  // What the reader should be told, in one sentence, or empty: that these are only the most recent
  // documents, that a file was named, which word was searched for instead of another.
  std::string note;
};

// Thread-safe; several processes may have it open.
class DocumentIndex {
 public:
  // Creates the file if it is missing. kFailedPrecondition: made by a newer version;
  // kDataLoss: not a database (says how to rebuild). Waits up to busy_timeout_ms for locks that
  // others hold, here and in every later call.
  static Result<std::unique_ptr<DocumentIndex>> Open(const std::string& path, bool read_only,
                                                     int busy_timeout_ms = 10'000);
  virtual ~DocumentIndex() = default;
  // What opening has to tell, one line each: the words of all texts were indexed again.
  virtual const std::vector<std::string>& notes() const = 0;

  // A source whose content hash is recorded as fully indexed is unchanged.
  virtual Result<bool> IsUnchanged(const std::string& source, const std::string& content_hash) = 0;
  // Adds one document under its source at `ordinal`, its index in SourceFile::documents; the same
  // id under several sources is one text. The source counts as changed until FinishSource; what it
  // held before stays until then. `block`: that is about to be made of it, in hex; empty: none.
  // kInvalidArgument: the id stands for another text.
  virtual Status Add(const SourceDocument& document, int64_t ordinal, int64_t tokens,
                     const std::string& block = "") = 0;
  // Everything of the source that is not in `documents` is forgotten, and how the file stands is
  // recorded: one transaction. An empty hash, or a document that is not there any more: the source
  // still counts as changed. Returns ids that no source has any more (their blocks can go).
  virtual Result<std::vector<std::string>> FinishSource(const SourceFile& file) = 0;
  virtual Result<std::vector<std::string>> Sources() = 0;
  // How the sources stood when they were indexed, by path.
  virtual Result<std::map<std::string, FileState>> FileStates() = 0;
  // The source is as it was indexed, but its file was touched or moved to another disk.
  virtual Status SetFileState(const std::string& source, const FileState& state) = 0;
  // Forgets a source (--prune). Returns ids that no source has any more.
  virtual Result<std::vector<std::string>> ForgetSource(const std::string& source) = 0;

  // The question is any text, none of it is syntax; its words are looked for in titles, texts and
  // file names (docs/search.md). Equal scores stand by source and place. Where nothing matches, the
  // most recent documents are given, and the result says so: no hits means no documents.
  virtual Result<SearchResult> Search(std::string_view question, int limit) = 0;
  // Here and below a unique prefix of the id is enough. kNotFound; kInvalidArgument: not unique.
  virtual Result<IndexedDocument> Get(const std::string& id) = 0;
  // Whether no document is there (a source may be: an empty file's).
  virtual Result<bool> IsEmpty() = 0;
  // By source, then place: a document once for every place it has.
  virtual Result<std::vector<IndexedDocument>> List() = 0;
  // Forgets the document at all its places. Its sources count as changed: indexing them again
  // brings it back.
  virtual Status Remove(const std::string& id) = 0;
  virtual Status SetPinned(const std::string& id, bool pinned) = 0;
  virtual Result<std::vector<std::string>> PinnedIds() = 0;

  // The blocks that hold a document's text, in hex. Whoever makes one adds it; `id` is whole.
  // kNotFound: there is no such document, or none any more.
  virtual Status AddBlockOfKnown(const std::string& id, const std::string& block) = 0;
  virtual Result<std::vector<std::string>> BlocksOf(const std::string& id) = 0;
  // Whether all blocks of the store were added: not in an index of an older version, nor in a new
  // one beside an old store.
  virtual Result<bool> KnowsBlocks() = 0;
  // Adds (document id, block) of all blocks of the store; from then on they are known.
  virtual Status LearnBlocks(const std::vector<std::pair<std::string, std::string>>& blocks) = 0;
  // Blocks of forgotten documents, which are to be removed from the store and then forgotten here.
  virtual Result<std::vector<std::string>> LeftoverBlocks() = 0;
  virtual Status ForgetBlocks(const std::vector<std::string>& blocks) = 0;
  // Checks the words of the texts by FTS5's own sums, and indexes them again where they are
  // damaged. True: they were.
  virtual Result<bool> MendWords() = 0;
  // Takes the words of forgotten documents out of the file and its log, if there may be any. Other
  // connections may keep the log: then the next call does it.
  virtual Status Scrub() = 0;
};

}  // namespace kvlink
