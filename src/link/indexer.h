// The indexer: a document's tokens in, its block out. Looks in the store first; what is missing is
// encoded alone, at positions 0..n-1, with the context empty (docs/method.md, section 1), and kept;
// or behind a prefix that stands right before position 0 and is no part of the block (section 5).
#pragma once

#include <future>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "kv/store.h"
#include "link/encoding.h"
#include "link/plan.h"
#include "links/link_file.h"
#include "model/model.h"
#include "model/prepared_adapter.h"

namespace kvlink::link {

// What a run of tokens is, which decides whether an adapter took part in its block.
enum class BlockKind { kDocument, kPreamble };

struct IndexedBlock {
  std::shared_ptr<const kv::Block> block;
  bool computed = false;            // now; else it was in the store
  std::string why;                  // one line: where it was, or why it was computed
  std::shared_future<Status> kept;  // of a block that was computed for a store: whether it took it

  // Waits until the block is durable. Empty, or why it was not kept.
  std::string WhyNotKept() const { return kept.valid() ? kept.get().message() : ""; }
};

// Thread promise: IdOf, Find and Keep from any thread (the store is thread-safe); the others run
// the model, one call at a time.
class Indexer {
 public:
  // All outlive the indexer. `links` and `adapter` may be null; so may `store`: nothing is kept.
  Indexer(model::Model* model, kv::BlockStore* store, const links::Links* links,
          model::PreparedAdapter* adapter)
      : model_(model), store_(store), links_(links), adapter_(adapter) {}

  // SHA-256 over everything that decides the block's bytes: model fingerprint, tokenizer, token
  // ids, dtype, layout version, compute path, the adapter where it takes part, and the tokens of
  // the prefix if there is one.
  kv::BlockId IdOf(std::span<const int32_t> tokens, BlockKind kind,
                   std::span<const int32_t> prefix = {}) const;

  // From the store. kNotFound: a miss, with the reason; every other code is a fault, and a miss as
  // well. A stored block that is not what its id says counts as damaged and leaves the store.
  Result<std::shared_ptr<const kv::Block>> Find(std::span<const int32_t> tokens, BlockKind kind,
                                                std::span<const int32_t> prefix = {});
  // The document's block, to be computed. The prefix's own block is found, or computed and kept:
  // it is encoded as a document is, so that an adapter outside documents changes no document's
  // block. REQUIRES: tokens is not empty.
  Result<std::unique_ptr<Encoding>> Begin(std::span<const int32_t> tokens, BlockKind kind,
                                          std::string_view label,
                                          std::span<const int32_t> prefix = {});
  // Into the store, with a pin if `pinned`, which is not waited for. Without a store nothing is
  // kept and the future is not valid.
  std::shared_future<Status> Keep(std::shared_ptr<const kv::Block> block, bool pinned);

  // Find, or else Begin, its passes at once, and Keep. A store that fails costs time, never the
  // block. REQUIRES: tokens is not empty.
  Result<IndexedBlock> Fetch(std::span<const int32_t> tokens, BlockKind kind,
                             std::string_view label, std::span<const int32_t> prefix = {},
                             bool pinned = false);
  // The same for a block of a plan, documents behind `prefix`. REQUIRES: the block has tokens.
  Result<IndexedBlock> Fetch(const LinkPlan& plan, const PlannedBlock& block,
                             std::span<const int32_t> prefix, std::string_view label = "",
                             bool pinned = false);
  // Begin and its passes at once; keeps nothing in the store but the prefix's own block.
  Result<std::shared_ptr<const kv::Block>> Encode(std::span<const int32_t> tokens, BlockKind kind,
                                                  std::string_view label,
                                                  std::span<const int32_t> prefix = {});

 private:
  // A document's tokens are outside the adapter's scope unless it is "everywhere"; the preamble's
  // are always inside.
  bool AdapterActsOn(BlockKind kind) const {
    return adapter_ != nullptr &&
           (kind == BlockKind::kPreamble || adapter_->scope() == model::AdapterScope::kEverywhere);
  }

  kv::BlockShape ShapeOf(size_t tokens) const;
  // The block of what documents are encoded behind. The last one is held: a store may be null, or
  // drop it.
  Result<std::shared_ptr<const kv::Block>> PrefixBlock(std::span<const int32_t> prefix,
                                                       BlockKind kind);

  model::Model* model_;
  kv::BlockStore* store_;
  const links::Links* links_;
  model::PreparedAdapter* adapter_;
  std::shared_ptr<const kv::Block> prefix_;  // may be null
};

}  // namespace kvlink::link
