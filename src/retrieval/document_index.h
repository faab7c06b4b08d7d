// The documents that `index` has seen: texts, titles, sources, and a full-text index (SQLite FTS5,
// BM25) that finds them. One SQLite file (WAL) in the store's folder: documents.sqlite.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kvlink/documents.h"
#include "kvlink/status.h"
#include "retrieval/listed_rows.h"
#include "retrieval/sources.h"

namespace kvlink::retrieval {

// A document that stands in no source any more.
struct ForgottenDocument {
  std::string id;
  std::string title;
  int64_t tokens = 0;
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
  // Whether there is a document of this whole id.
  virtual Result<bool> IsListed(const std::string& id) = 0;
  // Adds one document under its source at `ordinal`, its index in SourceFile::documents; the same
  // id under several sources is one text. The source counts as changed until FinishSource; what it
  // held before stays until then. `block`: its block in hex, of the model of `space`
  // (Engine::BlockSpace); empty: not known. kInvalidArgument: the id stands for another text.
  virtual Status Add(const SourceDocument& document, int64_t ordinal, int64_t tokens,
                     const std::string& block = "", const std::string& space = "") = 0;
  // Everything of the source that is not among `ids`, by ordinal, is forgotten, and how the file
  // stands is recorded: one transaction. An empty hash, or a document that is not there any more:
  // the source still counts as changed. Returns what no source has any more (its blocks can go), by
  // id.
  virtual Result<std::vector<ForgottenDocument>> FinishSource(
      const SourceFile& file, const std::vector<std::string>& ids) = 0;
  Result<std::vector<ForgottenDocument>> FinishSource(const SourceFile& file) {
    std::vector<std::string> ids;
    for (const SourceDocument& document : file.documents) ids.push_back(document.id);
    return FinishSource(file, ids);
  }
  // What `work` changes through this index is one transaction, which others wait for: all of it, or
  // nothing where `work` fails.
  virtual Status InBatch(const std::function<Status()>& work) = 0;
  virtual Result<std::vector<std::string>> Sources() = 0;
  // How the sources stood when they were indexed, by path.
  virtual Result<std::map<std::string, FileState>> FileStates() = 0;
  // The source is as it was indexed, but its file was touched or moved to another disk.
  virtual Status SetFileState(const std::string& source, const FileState& state) = 0;
  // Forgets a source (--prune). Returns what no source has any more.
  virtual Result<std::vector<ForgottenDocument>> ForgetSource(const std::string& source) = 0;

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

  // The blocks that hold a document's text, in hex. Whoever makes one adds it; `id` is whole. What
  // is there already is not written. Waits for others' locks up to patience_ms; -1: as opened.
  // kNotFound: there is no such document, or none any more.
  virtual Status AddBlockOfKnown(const std::string& id, const std::string& block,
                                 const std::string& space = "", int patience_ms = -1) = 0;
  virtual Result<std::vector<std::string>> BlocksOf(const std::string& id) = 0;
  // Whether all blocks of the store were added: not in an index of an older version, nor in a new
  // one beside an old store.
  virtual Result<bool> KnowsBlocks() = 0;
  // Adds (document id, block) of all blocks of the store; from then on they are known.
  virtual Status LearnBlocks(const std::vector<std::pair<std::string, std::string>>& blocks) = 0;
  // Blocks of forgotten documents, which are to be removed from the store and then forgotten here.
  virtual Result<std::vector<std::string>> LeftoverBlocks() = 0;
  virtual Status ForgetBlocks(const std::vector<std::string>& blocks) = 0;
  // Pages of documents and their blocks in a space (retrieval/listed_rows.h).
  virtual Result<std::vector<ListedDocument>> PageOfSource(const std::string& source,
                                                           const std::string& space,
                                                           const ListedDocument* after,
                                                           int64_t limit) = 0;
  virtual Result<std::vector<ListedDocument>> PageOfMostUsed(const std::string& space,
                                                             const ListedDocument* after,
                                                             int64_t limit) = 0;
  // Each document was in one more prompt; ids are whole, and need not be there. Waits for others a
  // moment at most.
  virtual Status CountUses(const std::vector<std::string>& ids) = 0;
  // Checks the words of the texts by FTS5's own sums, and indexes them again where they are
  // damaged. True: they were.
  virtual Result<bool> MendWords() = 0;
  // Takes the words of forgotten documents out of the file and its log, if there may be any. Other
  // connections may keep the log: then the next call does it.
  virtual Status Scrub() = 0;
};

}  // namespace kvlink::retrieval
