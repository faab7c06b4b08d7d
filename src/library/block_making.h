// The second half of indexing: which listed documents have a block, what the others' would take,
// and computing them one by one, where there is room. Not here: listing documents
// (library/listing.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <vector>

#include "kv/disk_store.h"
#include "kvlink/library.h"
#include "library/listing.h"
#include "retrieval/document_index.h"

namespace kvlink::library {

// How many blocks are computed. Pinned and stored blocks are never thrown out for new ones.
struct BlockRoom {
  int64_t budget_bytes = 0;                 // of the store; 0: no limit
  std::optional<int64_t> most_blocks;       // IndexSources::most_blocks
  std::optional<int64_t> most_block_bytes;  // IndexSources::most_block_bytes
  std::string folder;                       // of the store
};

// One run. One thread.
class BlockMaking {
 public:
  BlockMaking(Engine& engine, retrieval::DocumentIndex& index, kv::DiskStore& store, BlockRoom room,
              IndexObserver& observer, std::stop_token stop, IndexReport* report)
      : engine_(engine),
        index_(index),
        store_(store),
        room_(std::move(room)),
        observer_(observer),
        stop_(std::move(stop)),
        report_(*report),
        space_(engine.BlockSpace()) {}

  // Looks at the documents of the outcomes: what their blocks would take, and how many there is
  // room for.
  Result<IndexCost> Estimate(const std::vector<SourceOutcome>& outcomes);
  // Computes them, a line of the report a document, in the order of the outcomes. REQUIRES:
  // Estimate. Only faults of the store, the list and the disk end the run; what was computed before
  // stays. Stopped: the report says interrupted.
  Status Run(const Listing& listing);
  // Computes up to `most` blocks of the most used documents that have none, as far as there is
  // room; of equal ones, those listed last. Returns how many.
  Result<int64_t> MakeMostUsed(int64_t most);

  // Why documents went without blocks, if some did.
  IndexReport::Limit limit() const { return limit_; }

 private:
  enum class Made { kComputed, kUnchanged, kNoRoom, kLeftOut, kGone };

  Status FillRoom();
  Status ForEach(const std::string& source,
                 const std::function<Status(retrieval::ListedDocument&)>& visit);
  // Its block in this space, looked up where the list does not know it; kNotFound: it is gone.
  Status FindBlock(retrieval::ListedDocument* document);
  bool HasBlock(const retrieval::ListedDocument& document);
  bool HasRoom(const retrieval::ListedDocument& document) const;
  Status RunSource(const SourceOutcome& outcome, const Listing& listing);
  Result<Made> Make(const retrieval::ListedDocument& document, bool is_new);
  bool WasRemoved(const std::string& id);
  void Say(IndexedLine line);

  Engine& engine_;
  retrieval::DocumentIndex& index_;
  kv::DiskStore& store_;
  const BlockRoom room_;
  IndexObserver& observer_;
  const std::stop_token stop_;
  IndexReport& report_;
  const std::string space_;
  std::optional<int64_t> left_bytes_;                      // for new blocks; nothing: no limit
  IndexReport::Limit limit_ = IndexReport::Limit::kNone;   // what set left_bytes_
  std::optional<std::unordered_set<std::string>> chosen_;  // who gets a block; nothing: all
  IndexProgress progress_;
  double start_ms_ = 0;
};

}  // namespace kvlink::library
