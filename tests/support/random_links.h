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
  const std::array<std::pair<int64_t, int64_t>, model::kSites> sizes = {
      {{c.width, qd},
       {c.width, kd},
       {c.width, kd},
       {qd, c.width},
       {c.width, c.feed_forward},
       {c.width, c.feed_forward},
       {c.feed_forward, c.width}}};
  for (int32_t l = 0; l < c.layers; ++l) {
    std::array<model::LowRank, model::kSites> sites;
    for (int site = 0; site < model::kSites; ++site) {
      if (site == static_cast<int>(model::Site::kO) && l == 0)
        continue;  // a site without an adapter
      sites[site].rank = 3;
      sites[site].a = RandomFloats(random, 3 * sizes[site].first, 0.1f);
      sites[site].b = RandomFloats(random, 3 * sizes[site].second, 0.3f);
    }
    adapter.layers.push_back(std::move(sites));
  }
  return adapter;
}

}  // namespace kvlink::testing
