// A document on its way into a block: its tokens are computed alone, from position 0, in as many
// chunks as the caller likes, and their keys and values are written where they will rest. Not here:
// which pass a chunk is part of (engine/loop.h, link/indexer.h), and where the block is kept.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kv/block.h"
#include "model/model.h"
#include "model/prepared_adapter.h"

namespace kvlink::link {

// One owner, one thread.
class Encoding {
 public:
  // `before` (may be null): the block of what the document is encoded behind, `behind` tokens that
  // stand right before position 0. `adapter` may be null. kResourceExhausted: no memory.
  static Result<std::unique_ptr<Encoding>> Create(const model::Model& model,
                                                  const kv::BlockIdentity& identity,
                                                  std::span<const int32_t> tokens,
                                                  std::string_view label,
                                                  std::shared_ptr<const kv::Block> before,
                                                  int32_t behind, model::PreparedAdapter* adapter);

  const kv::BlockId& id() const { return identity_.id; }
  int64_t tokens() const { return static_cast<int64_t>(tokens_.size()); }
  int64_t left() const { return tokens() - tail_->size(); }

  // The next `count` tokens, without logits. Valid until the next call.
  // REQUIRES: 0 < count <= left(), and but for the last chunk a multiple of Model::kPieceTokens.
  model::Sequence Next(int64_t count);

  // The block. kDataLoss: a number of it is not finite, or what it stands behind changed meanwhile.
  // REQUIRES: left() is 0.
  Result<std::shared_ptr<const kv::Block>> Finish();

 private:
  Encoding(const kv::BlockIdentity& identity, const kv::BlockShape& shape,
           std::span<const int32_t> tokens, std::shared_ptr<const kv::Block> before,
           model::PreparedAdapter* adapter, kv::BlockBuilder builder)
      : identity_(identity),
        shape_(shape),
        tokens_(tokens.begin(), tokens.end()),
        before_(std::move(before)),
        adapter_(adapter),
        builder_(std::move(builder)) {}

  kv::BlockIdentity identity_;
  kv::BlockShape shape_;
  std::vector<int32_t> tokens_, positions_;
  std::shared_ptr<const kv::Block> before_;
  std::vector<model::Segment> context_;
  model::PreparedAdapter* adapter_;
  kv::BlockBuilder builder_;
  std::unique_ptr<model::Tail> tail_;  // over the builder's planes
};

}  // namespace kvlink::link
