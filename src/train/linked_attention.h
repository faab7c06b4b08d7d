// Attention of computed tokens over the whole prompt: keys and values of documents' blocks, which
// are constants, and their own, which gradients pass through. Private to the room (Torch).
//
// Keys and values of an example lie in one buffer by position, blocks' keys rotated to their place.
// A computed token sees every position from a first one, 0 but for tokens of documents that are
// trained (the adapter's scope everywhere), up to its own. So rows are worked through in tiles,
// each against the range of keys that its rows see.
#pragma once

#include <torch/types.h>

#include <memory>
#include <vector>

#include "kv/block.h"
#include "model/config.h"

namespace kvlink::train {

// Rows are padded to a multiple, and lengths of prefixes too: oneDNN compiles a kernel for each new
// shape, and few shapes are made once.
inline constexpr int64_t kRowMultiple = 16;
inline constexpr int64_t kKeyMultiple = 64;

// One example's keys and values. Letters: L layers, G kv heads, D head size, n positions.
struct KvBuffer {
  std::vector<at::Tensor> keys, values;  // [L] of [G, n padded, D], rotated to their positions
};

// The rows of one pass that belong to one example, and what they see.
struct AttentionRows {
  KvBuffer* kv = nullptr;
  int64_t first_row = 0;  // in the pass
  int64_t rows = 0;       // T, padded
  at::Tensor turns;       // [T, 1, D/2] complex64: RoPE at the rows' positions
  at::Tensor places;      // [T] int64: the rows' positions
  struct Tile {
    int64_t first = 0, rows = 0;
    int64_t first_key = 0, keys = 0;  // positions that some of them see
    int64_t first_own = 0;            // the first row that stands at or behind first_key
    at::Tensor mask;                  // [rows, 1, keys]: 0 or -inf
  };
  std::vector<Tile> tiles;
};

// RoPE as complex numbers, for a model.
class RopeTurns {
 public:
  RopeTurns(const model::ModelConfig& config, at::Device device);
  // [T, 1, D/2] complex64 for int64 positions [T].
  at::Tensor At(const at::Tensor& positions) const;
  // x [.., D] turned; `turns` broadcasts against [.., D/2].
  static at::Tensor Turn(const at::Tensor& x, const at::Tensor& turns);

 private:
  at::Tensor frequencies_;  // [D/2] double; 0 where a pair is not rotated
};

// An empty buffer for `positions` positions.
KvBuffer NewKvBuffer(const model::ModelConfig& config, int64_t positions, at::ScalarType dtype,
                     at::Device device);
// A document's block at its place.
void PlaceBlock(const kv::Block& block, int64_t start, const RopeTurns& turns, KvBuffer* kv);

// `positions` ascending; `rows` of them after padding. sees_from: [T] the first position that each
// row sees.
AttentionRows MakeAttentionRows(KvBuffer* kv, int64_t first_row,
                                const std::vector<int64_t>& positions,
                                const std::vector<int64_t>& sees_from, const RopeTurns& turns,
                                at::ScalarType dtype, at::Device device);

// qkv [T of all examples, (H + 2G) D] -> [T, H D]. Writes the rows' keys and values into the
// buffers. `rows` must outlive the backward pass.
at::Tensor LinkedAttention(const at::Tensor& qkv, const std::vector<AttentionRows>* rows,
                           int64_t layer, const model::ModelConfig* config);

}  // namespace kvlink::train
