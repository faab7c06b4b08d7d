// Random links and adapters for tiny models, from a seed.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "model/adapter.h"
#include "model/config.h"

namespace kvlink::testing {

inline std::vector<float> RandomFloats(std::mt19937* random, size_t n, float scale) {
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> out(n);
  for (float& f : out) f = normal(*random);
  return out;
}

// Large enough to be seen in every logit.
inline model::Adapter RandomAdapter(std::mt19937* random, const model::ModelConfig& c,
                                    model::AdapterScope scope) {
  model::Adapter adapter;
  adapter.scope = scope;
  adapter.hash = Sha256().Field("test adapter").Field((*random)()).Finish();
  const int64_t qd = c.heads * c.head_dim, kd = c.kv_heads * c.head_dim;
  const std::array<std::pair<int64_t, int64_t>, model::kProjections> sizes = {
      {{c.width, qd},
       {c.width, kd},
       {c.width, kd},
       {qd, c.width},
       {c.width, c.feed_forward},
       {c.width, c.feed_forward},
       {c.feed_forward, c.width}}};
  for (int32_t l = 0; l < c.layers; ++l) {
    std::array<model::LowRank, model::kProjections> projections;
    for (int projection = 0; projection < model::kProjections; ++projection) {
      if (projection == static_cast<int>(model::Projection::kO) && l == 0)
        continue;  // a projection without an adapter
      projections[projection].rank = 3;
      projections[projection].a = RandomFloats(random, 3 * sizes[projection].first, 0.1f);
      projections[projection].b = RandomFloats(random, 3 * sizes[projection].second, 0.3f);
    }
    adapter.layers.push_back(std::move(projections));
  }
  return adapter;
}

}  // namespace kvlink::testing
