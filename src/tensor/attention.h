// Attention of new tokens over segments and a tail, without copying either: scaled dot-product with
// a running softmax, tile by tile (FlashAttention, arXiv 2205.14135), accumulated in f32. Keys of a
// segment stay rotated to the block's own positions; each query is rotated to its distance from the
// segment's start instead (docs/method.md, section 4):
//     < R(p) q, R(s + j) k > = < R(p - s) q, R(j) k >
// A piece of a prompt goes by tiles that oneDNN multiplies; a generated row is computed as if alone
// (attention_rows.h). Place on the main path: Model::Forward -> Attention::Run -> kernels.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/dtype.h"
#include "kvlink/status.h"
#include "tensor/rope.h"

namespace kvlink::tensor {

// One layer's K and V of some tokens, read where they lie.
struct KvView {
  const void* keys = nullptr;    // [G, stride, D] dtype
  const void* values = nullptr;  // [G, stride, D] dtype
  int64_t tokens = 0;            // n <= stride
  int64_t stride = 0;            // tokens from one KV head to the next
  int64_t start = 0;             // the position its token 0 stands at; 0 for a tail
  // The rest for segments only.
  int64_t shift = 0;                // its keys' rotation counts from start - shift
  const uint8_t* hidden = nullptr;  // [n] or null: tokens that are not 0 here are seen by nobody
  bool ape_weighed = false;         // by AttentionInput::ape
};

struct AttentionShape {
  int32_t heads = 0;     // H
  int32_t kv_heads = 0;  // G
  int32_t head_dim = 0;  // D
  DType kv_dtype = DType::kF32;
  DType matmul_dtype = DType::kF32;  // what tiles are multiplied in
};

// Weighed segments have a softmax of their own at this temperature, whose log-sum-exp is multiplied
// by the scale before it joins the others' (APE, arXiv 2502.05431, section 4).
struct Ape {
  float temperature = 1, scale = 1;
};

// A piece of a prompt, or one generated row. What is computed for it depends on nothing else.
struct AttentionInput {
  int64_t tokens = 0;              // T
  bool generated = false;          // a row that a sampler chose: T is 1
  const float* queries = nullptr;  // [T, query_stride]: H heads of D, not rotated
  int64_t query_stride = 0;
  std::span<const int32_t> positions;  // [T]
  std::span<const KvView> segments;    // token j is visible to a query at p > start + j
  KvView tail;                         // its last T tokens are the queries' own
  // Segment ids of the tail's tokens [tail.tokens], or empty (all 0): a query in segment s sees a
  // key of the tail before it if s is 0 or equal to the key's (docs/method.md, section 3). -s: what
  // segment s stands behind, which is seen from s and -s only. The masked reference.
  std::span<const int32_t> tail_segment_ids;
  std::optional<Ape> ape;  // needed where a segment is ape_weighed
  void* out = nullptr;     // [T, H * D] out_dtype
  DType out_dtype = DType::kF32;
};

// Holds each thread's scratch and compiled tile multiplications. Thread promise: one Run at a time.
class Attention {
 public:
  Attention(const AttentionShape& shape, const RopeTable* rope);
  ~Attention();
  Attention(const Attention&) = delete;
  Attention& operator=(const Attention&) = delete;

  // All inputs of a layer. kResourceExhausted: no memory; kInternal: oneDNN's own words.
  Status Run(std::span<const AttentionInput> inputs);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kvlink::tensor
