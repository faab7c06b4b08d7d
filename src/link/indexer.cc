#include "link/indexer.h"

#include <numeric>
#include <string>
#include <vector>

#include "kv/block_format.h"
#include "link/linker.h"

namespace kvlink {

BlockId Indexer::IdOf(std::span<const int32_t> tokens, BlockKind kind,
                      std::span<const int32_t> prefix) const {
  Sha256 hash;
  hash.Field("kvlink block").Field(kBlockFormatVersion);
  hash.Update(std::as_bytes(std::span(model_->fingerprint())));
  hash.Update(std::as_bytes(std::span(model_->tokenizer().fingerprint())));
  hash.Field(Name(model_->kv_dtype())).Field(model_->compute_path());
  hash.Field(AdapterActsOn(kind) ? ToHex(links_->adapter->hash) : "no adapter");
  hash.Field(tokens.size()).Update(std::as_bytes(tokens));
  // Without a prefix there is no such field, and ids are what they were before there were any.
  if (!prefix.empty()) {
    hash.Field("behind a prefix").Field(prefix.size()).Update(std::as_bytes(prefix));
  }
  return hash.Finish();
}

BlockShape Indexer::ShapeOf(size_t tokens) const {
  const ModelConfig& c = model_->config();
  return {c.layers, c.kv_heads, c.head_dim, static_cast<int32_t>(tokens), model_->kv_dtype()};
}

Result<std::shared_ptr<const Block>> Indexer::Encode(std::span<const int32_t> tokens,
                                                     BlockKind kind, std::string_view label,
                                                     std::span<const int32_t> prefix) {
  if (prefix.empty()) return EncodeBehind(nullptr, tokens, kind, label, prefix);
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const auto before, PrefixBlock(prefix, kind));
    auto block = EncodeBehind(before.get(), tokens, kind, label, prefix);
    if (before->CheckUnchanged().ok()) return block;
    prefix_.reset();  // its file was cut meanwhile: what was made behind it is not to be believed
  }
}

Result<std::shared_ptr<const Block>> Indexer::EncodeBehind(const Block* before,
                                                           std::span<const int32_t> tokens,
                                                           BlockKind kind, std::string_view label,
                                                           std::span<const int32_t> prefix) {
  const ModelConfig& c = model_->config();
  std::vector<Segment> context;
  if (before != nullptr) {
    context.push_back(SegmentOf(*before, -static_cast<int32_t>(prefix.size())));
  }
  const BlockShape shape = ShapeOf(tokens.size());
  KVLINK_ASSIGN_OR_RETURN(BlockBuilder builder,
                          BlockBuilder::Create({IdOf(tokens, kind, prefix), model_->fingerprint()},
                                               shape, tokens, label));
  // The pass writes keys and values where they will rest.
  std::vector<void*> keys, values;
  for (int32_t l = 0; l < c.layers; ++l) {
    keys.push_back(builder.keys(l));
    values.push_back(builder.values(l));
  }
  Tail tail(std::move(keys), std::move(values), shape.padded_tokens());
  std::vector<int32_t> positions(tokens.size());
  std::iota(positions.begin(), positions.end(), 0);
  Sequence sequence;
  sequence.tokens = tokens;
  sequence.positions = positions;
  sequence.context = context;
  sequence.tail = &tail;
  if (AdapterActsOn(kind)) sequence.adapter = adapter_;
  KVLINK_RETURN_IF_ERROR(model_->Forward({&sequence, 1}));
  for (int32_t l = 0; l < c.layers; ++l) {
    for (const void* plane : {builder.keys(l), builder.values(l)}) {
      if (Model::AreFinite(plane, shape.plane_bytes() / SizeOf(shape.dtype), shape.dtype)) continue;
      return DataLoss("layer " + std::to_string(l) + " of the document's block (" +
                      std::to_string(tokens.size()) +
                      " tokens) holds numbers that are not finite, so it is not kept: the model "
                      "file is damaged, or needs --dtype f32");
    }
  }
  return std::move(builder).Finish();
}

Result<std::shared_ptr<const Block>> Indexer::PrefixBlock(std::span<const int32_t> prefix,
                                                          BlockKind kind) {
  if (prefix_ == nullptr || prefix_->identity().id != IdOf(prefix, kind)) {
    KVLINK_ASSIGN_OR_RETURN(IndexedBlock fetched, Fetch(prefix, kind, ""));
    prefix_ = std::move(fetched.block);
  }
  return prefix_;
}

Result<IndexedBlock> Indexer::Fetch(std::span<const int32_t> tokens, BlockKind kind,
                                    std::string_view label, std::span<const int32_t> prefix,
                                    bool pinned) {
  if (store_ == nullptr) {
    KVLINK_ASSIGN_OR_RETURN(auto encoded, Encode(tokens, kind, label, prefix));
    return IndexedBlock{std::move(encoded), true, "there is no store", {}};
  }
  auto found = store_->Get(IdOf(tokens, kind, prefix));
  if (found.ok()) {
    // The id is a hash over all of this; a file that says otherwise under it was forged or damaged,
    // and reading it by this model's sizes would leave its bounds.
    const std::shared_ptr<const Block>& block = *found;
    if (std::equal(tokens.begin(), tokens.end(), block->tokens().begin(), block->tokens().end()) &&
        block->shape() == ShapeOf(tokens.size()) &&
        block->identity().model == model_->fingerprint()) {
      return IndexedBlock{block, false, "block was in the store", {}};
    }
  }
  IndexedBlock made{
      nullptr,
      true,
      found.ok() ? "the stored block is not what its name says" : found.status().message(),
      {}};
  KVLINK_ASSIGN_OR_RETURN(made.block, Encode(tokens, kind, label, prefix));
  if (found.ok()) (void)store_->Remove((*found)->identity().id);  // else it would never be replaced
  const auto kept = std::make_shared<std::promise<Status>>();
  made.kept = kept->get_future().share();
  store_->PutLater(made.block, pinned, [kept](const Status& put) { kept->set_value(put); });
  return made;
}

Result<IndexedBlock> Indexer::Fetch(const LinkPlan& plan, const PlannedBlock& block,
                                    std::span<const int32_t> prefix, std::string_view label,
                                    bool pinned) {
  const std::vector<int32_t> tokens = TokensOf(plan, block);
  if (block.document < 0) return Fetch(tokens, BlockKind::kHead, "");
  return Fetch(tokens, BlockKind::kDocument, label, prefix, pinned);
}

}  // namespace kvlink
