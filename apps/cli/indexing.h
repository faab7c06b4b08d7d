// What `kvlink index` does, apart from the command line: read sources, skip what is unchanged,
// compute the blocks of the rest, forget what is gone. Stops between documents; a later run goes
// on where this one stopped, because every finished block is in the store.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/session.h"
#include "retrieval/sources.h"

namespace kvlink::cli {

struct IndexOptions {
  std::vector<std::string> paths;  // "-": standard input
  int max_tokens = 200;
  bool prune = false;
  bool yes = false;  // go on where people would be asked
  std::string name;  // of standard input; empty: none
  JsonlKeys keys;
};

// What became of one document.
struct IndexedLine {
  std::string id;
  std::string title;
  int64_t tokens = 0;
  // "computed", "unchanged", "listed" (the budget has no room for its block), "empty", "removed"
  std::string status;
};

struct IndexReport {
  std::vector<IndexedLine> documents;  // in input order
  // Sources, entries, lines and documents that were left out, a line each.
  std::vector<std::string> failures;
  std::vector<std::string> notes;  // what was read, but not as it stood, a line each
  int64_t computed = 0;
  int64_t computed_tokens = 0;
  int64_t unchanged = 0;
  int64_t removed = 0;
  double encode_ms = 0;       // of the computed ones
  int64_t without_block = 0;  // for want of room in the budget; computed when they are asked for
  int64_t listed = 0;         // of them, those that are new
  bool started = false;       // people and programs agreed to what it takes
  bool interrupted = false;
  int64_t left = 0;  // documents not reached when interrupted; -1: not all were counted by then
};

// One run. Not reusable, one thread.
class Indexing {
 public:
  // `store` is where the engine keeps its blocks.
  Indexing(Session& session, const IndexOptions& options, Engine& engine, DocumentIndex& index,
           DiskStore& store);

  // Only faults of the store, the index and the disk stop the run, with a Status; what was finished
  // before stays finished, and the report is filled up to there. The fault of a source or document
  // is a line of the report.
  Status Run(const std::vector<std::string>& sources);

  const IndexReport& report() const { return report_; }

 private:
  struct Source {
    std::string name;
    SourceFile file;  // documents only if the source is not unchanged
    bool unchanged = false;
    bool empty = false;
    bool failed = false;
    bool incomplete = false;             // a document was left out: read again by the next run
    std::vector<IndexedDocument> known;  // as the index has it, if unchanged
  };

  Status LoadKnown();
  Status ReadAll(const std::vector<std::string>& sources);
  Status Read(Source& source);
  // Of the file or of standard input. A failure is the source's alone.
  Result<SourceFile> Parse(const Source& source,
                           const std::function<int64_t(std::string_view)>& count_tokens);
  Status RecordState(const Source& source);
  Status TellCost();
  Status Encode(Source& source);
  Status EncodeKnown(const IndexedDocument& document);
  // False: the document is left out, or stays as it was known, and the source is incomplete.
  Result<bool> EncodeNew(Source& source, const SourceDocument& document, int64_t ordinal);
  // False: it cannot be encoded, and a line says why; or it was removed meanwhile. Sets the line's
  // tokens and status.
  Result<bool> EncodeOne(const Document& document, IndexedLine* line);
  Status Finish(Source& source);
  void Forget(const std::vector<ForgottenDocument>& gone);
  Status Prune(const std::vector<std::string>& sources);
  // By another process, since this run put it down.
  bool WasRemoved(const std::string& id);
  bool HasBlock(const std::string& block);
  bool HasRoom(int64_t bytes);
  void Draw();

  Session& session_;
  const IndexOptions& options_;
  Engine& engine_;
  DocumentIndex& index_;
  DiskStore& store_;
  const int64_t budget_bytes_;  // 0: no limit
  FileSystem& files_ = FileSystem::Posix();
  ReadOptions read_options_;
  std::string model_key_;  // changes with whatever changes a document's block
  std::string standard_input_;
  std::vector<Source> work_;
  std::map<std::string, IndexedDocument> known_;  // by id, before this run
  std::map<std::string, std::vector<IndexedDocument>> known_by_source_;
  std::map<std::string, FileState> states_;  // of all sources, before this run
  int64_t stored_bytes_ = 0;                 // of the store's blocks, if there is a budget
  IndexReport report_;
  ProgressBar bar_;
  int64_t total_documents_ = 0, done_documents_ = 0;
  int64_t total_bytes_ = 0, done_bytes_ = 0;  // of changed sources
  double start_ms_ = 0;
};

// The sources that PATH… names, in order, none twice. With `prune`, a path that was indexed and is
// gone names none; `indexed` are the sources of the index then. kNotFound: such a path never was;
// kFailedPrecondition: a folder with indexed files is gone, or empty, as when its disk is not
// mounted, and nobody said yes.
Result<FoundSources> SourcesOf(const IndexOptions& options,
                               const std::vector<std::string>& indexed);

}  // namespace kvlink::cli
