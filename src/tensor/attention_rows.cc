#include "tensor/attention_rows.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "base/bytes.h"
#include "tensor/attention_kernels.h"
#include "tensor/kernels.h"

namespace kvlink::tensor {

// Query rows of a job: their scores stay in the second-level cache.
constexpr int64_t kMostQueries = 64;

void RowAttention::Plan(std::span<const AttentionInput* const> rows, int threads) {
  rows_ = rows;
  parts_.clear();
  first_part_.assign(1, 0);
  for (size_t row = 0; row < rows.size(); ++row) {
    tiles_.clear();
    AppendTiles(*rows[row], &tiles_);
    for (const KeyTile& tile : tiles_) parts_.push_back({tile, static_cast<int64_t>(row)});
    first_part_.push_back(static_cast<int64_t>(parts_.size()));
  }
  const auto keys_of = [&](int64_t i) {
    const KeyTile& tile = parts_[i].tile;
    return std::tuple(reinterpret_cast<uintptr_t>(tile.view->keys),
                      reinterpret_cast<uintptr_t>(tile.view->values), tile.view->stride,
                      tile.begin);
  };
  const auto count = static_cast<int64_t>(parts_.size());
  order_.resize(parts_.size());
  std::iota(order_.begin(), order_.end(), 0);
  if (rows.size() > 1) {
    std::sort(order_.begin(), order_.end(), [&](int64_t a, int64_t b) {
      return std::tuple(keys_of(a), a) < std::tuple(keys_of(b), b);
    });
  }
  place_.resize(parts_.size());
  for (int64_t i = 0; i < count; ++i) place_[order_[i]] = i;

  jobs_.clear();
  const int64_t most = std::max<int64_t>(1, kMostQueries / heads());
  for (int64_t begin = 0; begin < count;) {
    int64_t end = begin + 1;
    while (end < count && end - begin < most && keys_of(order_[end]) == keys_of(order_[begin])) {
      ++end;
    }
    for (int64_t g = 0; g < shape_.kv_heads; ++g) jobs_.push_back({g, begin, end - begin});
    begin = end;
  }
  if (static_cast<int>(scratch_.size()) < threads) scratch_.resize(threads);
  const int64_t results = shape_.kv_heads * count * heads();
  maxima_.resize(results);
  sums_.resize(results);
  values_.resize(results * shape_.head_dim);
}

PartialSoftmax RowAttention::ResultOf(int64_t group, int64_t part, int64_t head) {
  const int64_t i = (group * static_cast<int64_t>(parts_.size()) + part) * heads() + head;
  return {&maxima_[i], &sums_[i], &values_[i * shape_.head_dim]};
}

void RowAttention::RunJob(int64_t job, int thread) {
  const auto [group, begin, count] = jobs_[job];
  Scratch& s = scratch_[thread];
  const int64_t d = shape_.head_dim, queries = count * heads();
  s.queries.resize(queries * d);
  s.scores.resize(queries * kKeyTile);
  s.probabilities.resize(queries * kKeyTile);
  int64_t seen = 0;  // keys that some row sees
  for (int64_t i = 0; i < count; ++i) {
    const Part& part = parts_[order_[begin + i]];
    const AttentionInput& in = *rows_[part.row];
    seen = std::max(seen, KeysBefore(in, part.tile, 0));
    if (KeysBefore(in, part.tile, 0) <= 0) {  // its distance may be below 0
      std::fill_n(&s.queries[i * heads() * d], heads() * d, 0.0f);
      continue;
    }
    for (int64_t h = 0; h < heads(); ++h) {
      RotateQuery(in, shape_, *rope_, *part.tile.view, 0, group * heads() + h, DType::kF32,
                  &s.queries[(i * heads() + h) * d]);
    }
  }
  const KeyTile& tile = parts_[order_[begin]].tile;  // the keys of all parts
  const int64_t plane_row = (group * tile.view->stride + tile.begin) * d * SizeOf(shape_.kv_dtype);
  ScoreRows(s.queries.data(), queries, static_cast<const std::byte*>(tile.view->keys) + plane_row,
            seen, d, shape_.kv_dtype, s.scores.data(), kKeyTile);
  for (int64_t i = 0; i < count; ++i) {
    const Part& part = parts_[order_[begin + i]];
    const AttentionInput& in = *rows_[part.row];
    const int64_t limit = KeysBefore(in, part.tile, 0);
    for (int64_t h = 0; h < heads(); ++h) {
      const PartialSoftmax result = ResultOf(group, begin + i, h);
      *result.maximum = -std::numeric_limits<float>::infinity();
      *result.sum = 0;
      std::fill_n(result.values, d, 0.0f);
      const int64_t at = (i * heads() + h) * kKeyTile;
      float* p = &s.probabilities[at];
      if (HideKeys(in, part.tile, 0, limit, &s.scores[at])) {
        SoftmaxRow(&s.scores[at], limit, seen, DType::kF32, result.maximum, result.sum, p);
      } else {
        std::fill_n(p, seen, 0.0f);
      }
    }
  }
  AccumulateRows(s.probabilities.data(), kKeyTile, queries,
                 static_cast<const std::byte*>(tile.view->values) + plane_row, seen, d,
                 shape_.kv_dtype, ResultOf(group, begin, 0).values);
}

void RowAttention::JoinRow(int64_t row) {
  const AttentionInput& in = *rows_[row];
  const int64_t d = shape_.head_dim, first = first_part_[row], end = first_part_[row + 1];
  for (int64_t h = 0; h < shape_.heads; ++h) {
    const auto result = [&](int64_t part) {
      return ResultOf(h / heads(), place_[part], h % heads());
    };
    const PartialSoftmax joined = result(first);
    for (int64_t part = first; part < end; ++part) {
      if (part > first) Join(joined, result(part), d);
      const bool weighed_end = parts_[part].tile.view->ape_weighed &&
                               (part + 1 == end || !parts_[part + 1].tile.view->ape_weighed);
      if (weighed_end) Weigh(joined, in.ape->scale, d);
    }
    WriteOut(in, shape_, 0, h, joined);
  }
}

}  // namespace kvlink::tensor
