// The slow float reference: the masked one-pass forward written as the formulas stand, plain loops,
// no tiles, no packing, no shared code with the fast path but reading weights. For `kvlink check`
// and tests.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/gguf.h"
#include "kvlink/status.h"
#include "model/adapter.h"
#include "model/config.h"

namespace kvlink::model {

struct ReferenceInput {
  std::span<const int32_t> tokens;       // [T]; < 0: row ~id of `embeddings`
  std::span<const float> embeddings;     // [n, E]
  std::span<const int32_t> positions;    // [T]
  std::span<const int32_t> segment_ids;  // [T]: docs/method.md, section 3
  const Adapter* adapter = nullptr;      // on tokens of segment 0, or all, by its scope
  std::span<const int32_t> logit_rows;   // [r]
  // For prompts that no segments describe (docs/methods.md). Positions may be in any order.
  std::span<const uint8_t> visible{};      // [T, T] query, key; or empty: by segments
  std::span<const uint8_t> in_document{};  // [T] the adapter's idea of them; or empty: by segments
  // [T] keys that stand in a softmax of their own for queries that do not; or empty: none.
  std::span<const uint8_t> ape_weighed{};
  double ape_temperature = 1, ape_scale = 1;  // of that softmax (APE, arXiv 2502.05431)
};

// Logits [r, V].
Result<std::vector<float>> ReferenceLogits(const formats::GgufFile& file, const ModelConfig& config,
                                           const ReferenceInput& input);

}  // namespace kvlink::model
