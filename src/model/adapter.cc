#include "model/adapter.h"

#include "base/bytes.h"

namespace kvlink::model {

Sha256Digest AdapterHash(const Adapter& adapter) {
  Sha256 hash;
  hash.Field("kvlink-adapter").Field(uint64_t{1});
  hash.Field(static_cast<uint64_t>(adapter.scope)).Field(adapter.layers.size());
  const auto numbers = [&](const std::vector<float>& values) {
    hash.Field(AsText(std::as_bytes(std::span(values))));
  };
  for (const auto& layer : adapter.layers) {
    for (const LowRank& m : layer) {
      hash.Field(static_cast<uint64_t>(m.rank));
      numbers(m.a);
      numbers(m.b);
    }
  }
  return hash.Finish();
}

}  // namespace kvlink::model
