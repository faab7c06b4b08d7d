// What both ways of attention share: tiles of keys, who sees which of them, and partial softmaxes
// that are joined. Private to src/tensor. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/attention.h"

namespace kvlink::tensor {

constexpr int64_t kKeyTile = 256;  // keys a tile: scores of a job stay in the second-level cache

// A stretch of keys of one KvView.
struct KeyTile {
  const KvView* view;
  bool is_tail;
  int64_t begin, count;
};

// Appends the input's tiles in the order in which they are joined: weighed segments, the others,
// the tail. Views are cut at multiples of kKeyTile.
void AppendTiles(const AttentionInput& in, std::vector<KeyTile>* tiles);

// How many of the tile's keys stand before query t or are its own; at most 0: none.
int64_t KeysBefore(const AttentionInput& in, const KeyTile& tile, int64_t t);

// Scores [limit] of query t become minus infinity where it does not see the key. False: it sees
// none of them.
bool HideKeys(const AttentionInput& in, const KeyTile& tile, int64_t t, int64_t limit,
              float* scores);

// Query t's head h, rotated to its distance from the view and scaled. out [D] in `dtype`.
void RotateQuery(const AttentionInput& in, const AttentionShape& shape, const RopeTable& rope,
                 const KvView& view, int64_t t, int64_t h, DType dtype, void* out);

// A row's softmax over some keys: values [D] are sums of exp(score - maximum) * value.
struct PartialSoftmax {
  float* maximum;
  float* sum;  // 0: no key was seen
  float* values;
};

// `into` becomes the softmax over both's keys.
void Join(const PartialSoftmax& into, const PartialSoftmax& other, int64_t d);

// What has been seen becomes one value whose log-sum-exp is `scale` times what it was.
void Weigh(const PartialSoftmax& softmax, float scale, int64_t d);

// The finished row of query t, head h, to where the input wants it.
void WriteOut(const AttentionInput& in, const AttentionShape& shape, int64_t t, int64_t h,
              const PartialSoftmax& softmax);

}  // namespace kvlink::tensor
