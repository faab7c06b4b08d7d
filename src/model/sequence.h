// What Forward works on: new tokens, the context they see, and the tail their keys and values join.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "kvlink/status.h"
#include "tensor/attention.h"

namespace kvlink::model {

// K and V of a block at a place: read where they lie, never changed. Letters: G kv heads, D head
// size, L layers.
struct Segment {
  std::vector<const void*> keys;    // [L] planes [G, stride, D], rotated to positions 0..tokens-1
  std::vector<const void*> values;  // [L] planes [G, stride, D]
  int64_t tokens = 0;
  int64_t stride = 0;
  int32_t start = 0;  // the position its first token stands at in the prompt; may be below 0
  // What only methods of docs/methods.md other than linking ask for; tensor/attention.h, KvView.
  int32_t shift = 0;                // its keys' rotation counts from start - shift
  const uint8_t* hidden = nullptr;  // [tokens] or null: tokens that nobody sees
  bool ape_weighed = false;         // by Sequence::ape
};

// The KV that grows: a request's own tokens, or a document being encoded into its block's planes.
// Keys are rotated to their positions in the prompt. One owner, one thread.
class Tail {
 public:
  // Own memory, zeroed. kResourceExhausted if it cannot be had.
  static Result<Tail> Create(int32_t layers, int32_t kv_heads, int32_t head_dim, int64_t capacity,
                             DType dtype);
  // Over planes of somebody else: [L] of [G, stride, D], zeroed.
  Tail(std::vector<void*> keys, std::vector<void*> values, int64_t stride)
      : keys_(std::move(keys)), values_(std::move(values)), stride_(stride) {}

  // The same tokens in own memory. REQUIRES: made by Create. kResourceExhausted: no memory.
  Result<Tail> Clone() const;

  int64_t size() const { return size_; }
  int64_t stride() const { return stride_; }  // tokens it has room for
  void* keys(int32_t layer) { return keys_[layer]; }
  void* values(int32_t layer) { return values_[layer]; }
  std::span<const int32_t> segment_ids() const { return segment_ids_; }
  int64_t bytes() const { return bytes_; }  // of its own memory

  // Makes room for tokens of which Forward fills in keys and values. Segment ids are kept only once
  // one is not 0. REQUIRES: size() + count <= stride().
  void Grow(int64_t count, std::span<const int32_t> segments);
  // Forgets all tokens from `size` on; what they leave behind is overwritten before it is seen.
  // REQUIRES: size <= size().
  void Truncate(int64_t size);

 private:
  std::vector<void*> keys_, values_;
  int64_t stride_ = 0;
  int64_t size_ = 0;
  int64_t bytes_ = 0;
  std::vector<int32_t> segment_ids_;  // [size], or empty: all 0
  std::shared_ptr<void> memory_;
};

class PreparedAdapter;

// New tokens of one request. T tokens, E width, V vocabulary.
struct Sequence {
  std::span<const int32_t> tokens;     // [T]; < 0: row ~id of `embeddings` stands in
  std::span<const float> embeddings;   // [n, E] link-token embeddings
  std::span<const int32_t> positions;  // [T], ascending, but in a masked pass
  // [T] or empty (all 0): a masked pass (tensor/attention.h, tail_segments).
  std::span<const int32_t> segment_ids;
  // [T] or empty (none): tokens that belong to documents, where an adapter of scope
  // kOutsideDocuments does not act.
  std::span<const uint8_t> in_document;
  std::span<const Segment> segments;  // blocks; a token at p sees those of their tokens before p
  std::optional<tensor::Ape> ape;     // needed where a segment is ape_weighed
  Tail* tail = nullptr;
  PreparedAdapter* adapter = nullptr;  // may be null
  // Its tokens were chosen by a sampler: computed a row at a time, by the file's codes where there
  // are any (Linear::RunRows). All others are a prompt's, computed in pieces (Model::kPieceTokens).
  bool generated = false;
  std::span<const int32_t> logit_rows;  // which of the T tokens' logits are wanted
  float* logits = nullptr;              // [logit_rows, V]
};

// A look into a layer: the pass ends once K and V of `layer` are in the tails, which then hold
// nothing of later layers; no logits.
struct Probe {
  int32_t layer = 0;
  // At least 0: new tokens from this one on are asked what they attend to.
  int32_t attention_from = -1;
  std::vector<float> attention;  // [tokens of the context's segments] summed over tokens and heads
};

}  // namespace kvlink::model
