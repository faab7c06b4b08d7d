#include "tensor/attention_tiles.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "tensor/kernels.h"

namespace kvlink::tensor {

void AppendTiles(const AttentionInput& in, std::vector<KeyTile>* tiles) {
  const auto add = [&](const KvView& view, bool is_tail) {
    for (int64_t begin = 0; begin < view.tokens; begin += kKeyTile) {
      tiles->push_back({&view, is_tail, begin, std::min(kKeyTile, view.tokens - begin)});
    }
  };
  for (const KvView& segment : in.segments) {
    if (segment.ape_weighed) add(segment, false);
  }
  for (const KvView& segment : in.segments) {
    if (!segment.ape_weighed) add(segment, false);
  }
  add(in.tail, true);
}

int64_t KeysBefore(const AttentionInput& in, const KeyTile& tile, int64_t t) {
  const int64_t before =
      tile.is_tail ? in.tail.tokens - in.tokens + t + 1 : in.positions[t] - tile.view->start;
  return std::min(tile.count, before - tile.begin);
}

bool HideKeys(const AttentionInput& in, const KeyTile& tile, int64_t t, int64_t limit,
              float* scores) {
  constexpr float kUnseen = -std::numeric_limits<float>::infinity();
  if (limit <= 0) return false;
  const bool by_segments = tile.is_tail && !in.tail_segment_ids.empty();
  if (tile.view->hidden == nullptr && !by_segments) return true;
  if (tile.view->hidden != nullptr) {
    const uint8_t* hidden = tile.view->hidden + tile.begin;
    for (int64_t j = 0; j < limit; ++j) {
      if (hidden[j] != 0) scores[j] = kUnseen;
    }
  }
  if (by_segments) {
    const int32_t own = in.tail_segment_ids[in.tail.tokens - in.tokens + t];
    for (int64_t j = 0; j < limit; ++j) {
      const int32_t key = in.tail_segment_ids[tile.begin + j];
      if (own == 0 ? key < 0 : std::abs(key) != std::abs(own)) scores[j] = kUnseen;
    }
  }
  // What is not a number counts as seen, or it would be lost.
  return std::any_of(scores, scores + limit, [](float score) { return score != kUnseen; });
}

void RotateQuery(const AttentionInput& in, const AttentionShape& shape, const RopeTable& rope,
                 const KvView& view, int64_t t, int64_t h, DType dtype, void* out) {
  const int64_t d = shape.head_dim, distance = in.positions[t] - view.start + view.shift;
  const float temperature = view.ape_weighed ? in.ape->temperature : 1.0f;
  const float scale = 1.0f / (temperature * std::sqrt(static_cast<float>(d)));
  Rotate(in.queries + t * in.query_stride + h * d, rope.Cosines(distance), rope.Sines(distance),
         rope.rotated(), d, scale, dtype, out);
}

void Join(const PartialSoftmax& into, const PartialSoftmax& other, int64_t d) {
  if (*other.sum == 0.0f) return;
  const float largest = std::max(*into.maximum, *other.maximum);
  const float mine = *into.sum == 0.0f ? 0.0f : std::exp(*into.maximum - largest);
  const float theirs = std::exp(*other.maximum - largest);
  for (int64_t i = 0; i < d; ++i) {
    into.values[i] = into.values[i] * mine + other.values[i] * theirs;
  }
  *into.sum = *into.sum * mine + *other.sum * theirs;
  *into.maximum = largest;
}

void Weigh(const PartialSoftmax& softmax, float scale, int64_t d) {
  if (*softmax.sum == 0.0f) return;
  Scale(1.0f / *softmax.sum, d, softmax.values);
  *softmax.maximum = scale * (*softmax.maximum + std::log(*softmax.sum));
  *softmax.sum = 1.0f;
}

void WriteOut(const AttentionInput& in, const AttentionShape& shape, int64_t t, int64_t h,
              const PartialSoftmax& softmax) {
  const int64_t d = shape.head_dim;
  Scale(1.0f / *softmax.sum, d, softmax.values);
  ConvertTo(softmax.values, d, in.out_dtype,
            static_cast<std::byte*>(in.out) + (t * shape.heads + h) * d * SizeOf(in.out_dtype));
}

}  // namespace kvlink::tensor
