#include "tensor/attention_received.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/guarded.h"
#include "tensor/attention_kernels.h"
#include "tensor/kernels.h"

namespace kvlink::tensor {
namespace {

// One KV head's share: [tokens of the segments].
std::vector<float> ReceivedByGroup(const AttentionShape& shape, const RopeTable& rope,
                                   const AttentionInput& in, int64_t first_query, int64_t group) {
  const int64_t heads = shape.heads / shape.kv_heads, d = shape.head_dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  int64_t context = 0;
  for (const KvView& view : in.segments) context += view.tokens;
  const int64_t total = context + in.tail.tokens;
  std::vector<float> received(static_cast<size_t>(context));
  std::vector<float> queries(static_cast<size_t>(heads * d));
  std::vector<float> scores(static_cast<size_t>(heads * total));  // [heads, total]
  for (int64_t t = first_query; t < in.tokens; ++t) {
    std::fill(scores.begin(), scores.end(), -std::numeric_limits<float>::infinity());
    // Scores of the view's first `seen` tokens, from column `at` on.
    const auto score = [&](const KvView& view, int64_t seen, int64_t at) {
      if (seen <= 0) return;
      const int64_t distance = in.positions[t] - view.start + view.shift;
      for (int64_t h = 0; h < heads; ++h) {
        Rotate(in.queries + t * in.query_stride + (group * heads + h) * d, rope.Cosines(distance),
               rope.Sines(distance), rope.rotated(), d, scale, DType::kF32, &queries[h * d]);
      }
      const std::byte* keys = static_cast<const std::byte*>(view.keys) +
                              group * view.stride * d * SizeOf(shape.kv_dtype);
      ScoreRows(queries.data(), heads, keys, seen, d, shape.kv_dtype, &scores[at], total);
      for (int64_t j = 0; view.hidden != nullptr && j < seen; ++j) {
        if (view.hidden[j] == 0) continue;
        for (int64_t h = 0; h < heads; ++h) {
          scores[h * total + at + j] = -std::numeric_limits<float>::infinity();
        }
      }
    };
    int64_t at = 0;
    for (const KvView& view : in.segments) {
      score(view, std::min<int64_t>(view.tokens, in.positions[t] - view.start), at);
      at += view.tokens;
    }
    score(in.tail, in.tail.tokens - in.tokens + t + 1, at);
    for (int64_t h = 0; h < heads; ++h) {
      const float* row = &scores[h * total];
      const float largest = *std::max_element(row, row + total);
      double sum = 0;
      for (int64_t j = 0; j < total; ++j) sum += std::exp(row[j] - largest);
      for (int64_t j = 0; j < context; ++j) {
        received[j] += static_cast<float>(std::exp(row[j] - largest) / sum);
      }
    }
  }
  return received;
}

}  // namespace

std::vector<float> AttentionReceived(const AttentionShape& shape, const RopeTable& rope,
                                     const AttentionInput& in, int64_t first_query) {
  std::vector<std::vector<float>> groups(static_cast<size_t>(shape.kv_heads));
  ParallelGuard guard;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t g = 0; g < shape.kv_heads; ++g) {
    guard.Run([&] { groups[g] = ReceivedByGroup(shape, rope, in, first_query, g); });
  }
  guard.Rethrow();
  // In order, so that the sum does not depend on the number of threads.
  std::vector<float> received(groups.empty() ? 0 : groups[0].size());
  for (const std::vector<float>& group : groups) {
    for (size_t j = 0; j < received.size(); ++j) received[j] += group[j];
  }
  return received;
}

}  // namespace kvlink::tensor
