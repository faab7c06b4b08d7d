#include "link/encoding.h"

#include <numeric>
#include <utility>

#include "link/linker.h"

namespace kvlink::link {

Result<std::unique_ptr<Encoding>> Encoding::Create(
    const model::Model& model, const kv::BlockIdentity& identity, std::span<const int32_t> tokens,
    std::string_view label, std::shared_ptr<const kv::Block> before, int32_t behind,
    model::PreparedAdapter* adapter) {
  const model::ModelConfig& c = model.config();
  const kv::BlockShape shape{c.layers, c.kv_heads, c.head_dim, static_cast<int32_t>(tokens.size()),
                             model.kv_dtype()};
  KVLINK_ASSIGN_OR_RETURN(kv::BlockBuilder builder,
                          kv::BlockBuilder::Create(identity, shape, tokens, label));
  std::unique_ptr<Encoding> made(
      new Encoding(identity, shape, tokens, std::move(before), adapter, std::move(builder)));
  if (made->before_ != nullptr) made->context_.push_back(SegmentOf(*made->before_, -behind));
  made->positions_.resize(tokens.size());
  std::iota(made->positions_.begin(), made->positions_.end(), 0);
  std::vector<void*> keys, values;
  for (int32_t l = 0; l < c.layers; ++l) {
    keys.push_back(made->builder_.keys(l));
    values.push_back(made->builder_.values(l));
  }
  made->tail_ =
      std::make_unique<model::Tail>(std::move(keys), std::move(values), shape.padded_tokens());
  return made;
}

model::Sequence Encoding::Next(int64_t count) {
  const auto begin = static_cast<size_t>(tail_->size());
  const auto size = static_cast<size_t>(count);
  model::Sequence sequence;
  sequence.tokens = std::span(tokens_).subspan(begin, size);
  sequence.positions = std::span(positions_).subspan(begin, size);
  sequence.segments = context_;
  sequence.tail = tail_.get();
  sequence.adapter = adapter_;
  return sequence;
}

Result<std::shared_ptr<const kv::Block>> Encoding::Finish() {
  if (before_ != nullptr) KVLINK_RETURN_IF_ERROR(before_->CheckUnchanged());
  for (int32_t l = 0; l < shape_.layers; ++l) {
    for (const void* plane : {builder_.keys(l), builder_.values(l)}) {
      if (model::Model::AreFinite(plane, shape_.plane_bytes() / SizeOf(shape_.dtype), shape_.dtype))
        continue;
      return DataLoss("layer " + std::to_string(l) + " of the document's block (" +
                      std::to_string(tokens()) +
                      " tokens) holds numbers that are not finite, so it is not kept: the model "
                      "file is damaged, or needs --dtype f32");
    }
  }
  return std::move(builder_).Finish();
}

}  // namespace kvlink::link
