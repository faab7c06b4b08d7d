// The model's part of a block's identity. The fields and their order never change meaning: a change
// here needs another kModelFingerprintName, or stored blocks would be taken for what they are not.
#include <bit>

#include "model/config.h"

namespace kvlink::model {

Sha256Digest ModelFingerprint(const formats::GgufFile& file, const ModelConfig& config) {
  Sha256 hash;
  hash.Field(kModelFingerprintName);
  hash.Field(std::string_view(config.architecture));
  for (const int32_t size : {config.layers, config.heads, config.kv_heads, config.head_dim,
                             config.width, config.feed_forward, config.vocab, config.rope.dims}) {
    hash.Field(static_cast<uint64_t>(size));
  }
  hash.Field(static_cast<uint64_t>(std::bit_cast<uint32_t>(config.norm_epsilon)));
  hash.Field(std::bit_cast<uint64_t>(config.rope.base));
  hash.Field(static_cast<uint64_t>(config.rope.scaling));
  hash.Field(std::string_view(config.rope.scaling_name));
  hash.Field(std::bit_cast<uint64_t>(config.rope.factor));
  // rope.divisors and tied_output follow from the tensors.

  std::map<std::string_view, const formats::TensorInfo*> by_name;
  for (const formats::TensorInfo& tensor : file.tensors()) by_name.emplace(tensor.name, &tensor);
  hash.Field(static_cast<uint64_t>(by_name.size()));
  for (const auto& [name, tensor] : by_name) {
    hash.Field(name);
    hash.Field(static_cast<uint64_t>(tensor->type));
    hash.Field(static_cast<uint64_t>(tensor->shape.size()));
    for (const int64_t size : tensor->shape) hash.Field(static_cast<uint64_t>(size));
    hash.Field(static_cast<uint64_t>(tensor->data.size()));
    hash.Update(tensor->data);
  }
  return hash.Finish();
}

}  // namespace kvlink::model
