// The first half of indexing: sources are read one after the other, what changed is split, and its
// documents are listed, in batches. They can be searched from then on. Memory holds one source and
// one batch. Not here: their blocks (library/block_making.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <vector>

#include "kvlink/library.h"
#include "retrieval/document_index.h"
#include "retrieval/read_source.h"

namespace kvlink::library {

// A document's id, which is 16 hex digits, as the number that they are: a tenth of the memory.
uint64_t ShortId(const std::string& id);

// What became of a source.
struct SourceOutcome {
  std::string name;
  bool failed = false;  // could not be read: what was known of it stays
  bool empty = false;
  std::vector<retrieval::ForgottenDocument> removed;
};

// One run. One thread.
class Listing {
 public:
  Listing(const IndexSources& sources, retrieval::ReadOptions read_options, const Engine& engine,
          retrieval::DocumentIndex& index, IndexObserver& observer, std::stop_token stop,
          IndexReport* report);

  // The names as FindSources has them, but for standard input's, which is input_name. Only faults
  // of the index and the disk end the run; what was listed before stays. Stopped: the report says
  // interrupted.
  Status Run(const std::vector<std::string>& names);

  const std::vector<SourceOutcome>& outcomes() const { return outcomes_; }
  // Whether the run listed the document for the first time.
  bool IsNew(const std::string& id) const { return new_.contains(ShortId(id)); }
  // By path, before this run.
  const std::map<std::string, retrieval::FileState>& states() const { return states_; }

 private:
  struct PendingDocument {
    retrieval::SourceDocument document;
    Described described;
  };
  struct PendingSource {
    size_t place = 0;  // in outcomes_
    std::vector<PendingDocument> documents;
    std::optional<retrieval::SourceFile> finished;
  };
  // Of the source that is being listed.
  struct Taken {
    std::vector<std::string> ids;  // by ordinal
    bool incomplete = false;       // a document was left out: read again by the next run
  };

  Status Read(const std::string& name);
  Result<retrieval::SourceBytes> ReadBytes(const std::string& name);
  Status Split(const retrieval::SourceBytes& source);
  Status RecordState(const retrieval::SourceBytes& source);
  Status Take(retrieval::SourceDocument document);
  Status Flush();
  Status Write(PendingSource& source);
  void Progress();

  const IndexSources& sources_;
  const retrieval::ReadOptions read_options_;
  const Engine& engine_;
  retrieval::DocumentIndex& index_;
  IndexObserver& observer_;
  const std::stop_token stop_;
  IndexReport& report_;
  const std::string space_;
  std::vector<SourceOutcome> outcomes_;
  std::map<std::string, retrieval::FileState> states_;
  std::unordered_set<uint64_t> new_;  // by ShortId
  std::map<size_t, Taken> taken_;     // by place, of sources that are not finished
  std::vector<PendingSource> pending_;
  int64_t pending_documents_ = 0, pending_bytes_ = 0;
  bool write_failed_ = false;
  IndexProgress progress_;
};

}  // namespace kvlink::library
