#include "link/indexer.h"

#include <algorithm>
#include <string>
#include <vector>

#include "kv/block_format.h"
#include "link/linker.h"

namespace kvlink::link {

kv::BlockId Indexer::IdOf(std::span<const int32_t> tokens, BlockKind kind,
                          std::span<const int32_t> prefix) const {
  Sha256 hash;
  hash.Field("kvlink block").Field(kv::kBlockFormatVersion);
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

kv::BlockShape Indexer::ShapeOf(size_t tokens) const {
  const model::ModelConfig& c = model_->config();
  return {c.layers, c.kv_heads, c.head_dim, static_cast<int32_t>(tokens), model_->kv_dtype()};
}

Result<std::unique_ptr<Encoding>> Indexer::Begin(std::span<const int32_t> tokens, BlockKind kind,
                                                 std::string_view label,
                                                 std::span<const int32_t> prefix) {
  std::shared_ptr<const kv::Block> before;
  if (!prefix.empty()) {
    KVLINK_ASSIGN_OR_RETURN(before, PrefixBlock(prefix, kind));
  }
  return Encoding::Create(*model_, {IdOf(tokens, kind, prefix), model_->fingerprint()}, tokens,
                          label, std::move(before), static_cast<int32_t>(prefix.size()),
                          AdapterActsOn(kind) ? adapter_ : nullptr);
}

Result<std::shared_ptr<const kv::Block>> Indexer::Encode(std::span<const int32_t> tokens,
                                                         BlockKind kind, std::string_view label,
                                                         std::span<const int32_t> prefix) {
  while (true) {
    KVLINK_ASSIGN_OR_RETURN(const std::unique_ptr<Encoding> encoding,
                            Begin(tokens, kind, label, prefix));
    model::Sequence sequence = encoding->Next(encoding->left());
    KVLINK_RETURN_IF_ERROR(model_->Forward({&sequence, 1}));
    auto block = encoding->Finish();
    // What it stands behind was a file that was cut meanwhile: that is made anew, too.
    if (prefix_ == nullptr || prefix_->CheckUnchanged().ok()) return block;
    prefix_.reset();
  }
}

Result<std::shared_ptr<const kv::Block>> Indexer::PrefixBlock(std::span<const int32_t> prefix,
                                                              BlockKind kind) {
  if (prefix_ == nullptr || prefix_->identity().id != IdOf(prefix, kind)) {
    KVLINK_ASSIGN_OR_RETURN(IndexedBlock fetched, Fetch(prefix, kind, ""));
    prefix_ = std::move(fetched.block);
  }
  return prefix_;
}

Result<std::shared_ptr<const kv::Block>> Indexer::Find(std::span<const int32_t> tokens,
                                                       BlockKind kind,
                                                       std::span<const int32_t> prefix) {
  if (store_ == nullptr) return NotFound("there is no store");
  KVLINK_ASSIGN_OR_RETURN(std::shared_ptr<const kv::Block> block,
                          store_->Get(IdOf(tokens, kind, prefix)));
  // The id is a hash over all of this; a file that says otherwise under it was forged or damaged,
  // and reading it by this model's sizes would leave its bounds.
  if (std::equal(tokens.begin(), tokens.end(), block->tokens().begin(), block->tokens().end()) &&
      block->shape() == ShapeOf(tokens.size()) &&
      block->identity().model == model_->fingerprint()) {
    return block;
  }
  (void)store_->Remove(block->identity().id);  // else it would never be replaced
  return DataLoss("the stored block is not what its name says");
}

std::shared_future<Status> Indexer::Keep(std::shared_ptr<const kv::Block> block, bool pinned) {
  if (store_ == nullptr) return {};
  const auto kept = std::make_shared<std::promise<Status>>();
  std::shared_future<Status> future = kept->get_future().share();
  store_->PutLater(std::move(block), pinned, [kept](const Status& put) { kept->set_value(put); });
  return future;
}

Result<IndexedBlock> Indexer::Fetch(std::span<const int32_t> tokens, BlockKind kind,
                                    std::string_view label, std::span<const int32_t> prefix,
                                    bool pinned) {
  auto found = Find(tokens, kind, prefix);
  if (found.ok()) return IndexedBlock{*std::move(found), false, "block was in the store", {}};
  IndexedBlock made{nullptr, true, found.status().message(), {}};
  KVLINK_ASSIGN_OR_RETURN(made.block, Encode(tokens, kind, label, prefix));
  made.kept = Keep(made.block, pinned);
  return made;
}

Result<IndexedBlock> Indexer::Fetch(const LinkPlan& plan, const PlannedBlock& block,
                                    std::span<const int32_t> prefix, std::string_view label,
                                    bool pinned) {
  const std::vector<int32_t> tokens = TokensOf(plan, block);
  if (block.document < 0) return Fetch(tokens, BlockKind::kPreamble, "");
  return Fetch(tokens, BlockKind::kDocument, label, prefix, pinned);
}

}  // namespace kvlink::link
