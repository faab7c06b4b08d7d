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
  std::string name;  // of standard input; empty: none
};

// What became of one document.
struct IndexedLine {
  std::string id;
  std::string title;
  int64_t tokens = 0;
  std::string status;  // "computed", "unchanged", "empty", "removed"
};

struct IndexReport {
  std::vector<IndexedLine> documents;  // in input order
  std::vector<std::string> failures;   // sources that could not be read, a line each
  std::vector<std::string> notes;      // what was read, but not as it stood, a line each
  int64_t computed = 0;
  int64_t computed_tokens = 0;
  int64_t unchanged = 0;
  int64_t removed = 0;
  double encode_ms = 0;  // of the computed ones
  int64_t gone = 0;      // computed ones whose blocks had to make room for later ones
  bool interrupted = false;
  int64_t left = 0;  // documents not reached when interrupted; -1: not all were counted by then
};

// One run. Not reusable, one thread.
class Indexing {
 public:
  // `store` is where the engine keeps its blocks. evicts: blocks may be missing on purpose (a
  // budget), so an unchanged document does not get a lost one back.
  Indexing(Session& session, const IndexOptions& options, Engine& engine, DocumentIndex& index,
           DiskStore& store, bool evicts);

  // A Status stops the run (a full disk, say); what was finished before stays finished. The report
  // is filled up to there.
  Status Run(const std::vector<std::string>& sources);

  const IndexReport& report() const { return report_; }

 private:
  struct Source {
    std::string name;
    SourceFile file;  // documents only if the source is not unchanged
    bool unchanged = false;
    bool empty = false;
    bool failed = false;
    std::vector<IndexedDocument> known;  // as the index has it, if unchanged
  };

  Status LoadKnown();
  Status ReadAll(const std::vector<std::string>& sources);
  Status Read(Source& source);
  Status Encode(Source& source);
  Status EncodeOne(const Document& document, IndexedLine line);  // appends the line
  Status Finish(Source& source);
  Status Forget(const std::vector<std::string>& ids);
  Status Prune(const std::vector<std::string>& sources);
  void CountGone();
  bool HasBlock(const IndexedDocument& document);
  void Draw();

  Session& session_;
  const IndexOptions& options_;
  Engine& engine_;
  DocumentIndex& index_;
  DiskStore& store_;
  const bool evicts_;
  FileSystem& files_ = FileSystem::Posix();
  ReadOptions read_options_;
  std::string model_key_;  // changes with whatever changes a document's block
  std::string standard_input_;
  std::vector<Source> work_;
  std::map<std::string, IndexedDocument> known_;  // by id, before this run
  std::map<std::string, std::vector<IndexedDocument>> known_by_source_;
  std::vector<BlockId> computed_;  // if blocks may be evicted
  IndexReport report_;
  ProgressBar bar_;
  int64_t total_documents_ = 0, done_documents_ = 0;
  int64_t total_bytes_ = 0, done_bytes_ = 0;  // of changed sources
  double start_ms_ = 0;
};

// The sources that PATH… names, in order, none twice. With `prune`, a path that is gone names none.
Result<FoundSources> SourcesOf(const IndexOptions& options);

}  // namespace kvlink::cli
