// Attention of generated rows: for each row and each tile of its keys a partial softmax, joined in
// the tiles' order, so that a row computes the same whoever is in the batch. Rows whose tiles are
// the same keys (one block in several requests, at whatever starts) meet them together, so that
// memory is read once for all of them (shared-prefix decoding, arXiv 2402.05099). In f32.
// Private to src/tensor.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/attention_tiles.h"

namespace kvlink::tensor {

// Thread promise: RunJob and Join by several threads at once, each job and each row once; else one
// thread at a time.
class RowAttention {
 public:
  RowAttention(const AttentionShape& shape, const RopeTable* rope) : shape_(shape), rope_(rope) {}

  // `rows` must live until the last Join. REQUIRES: each has one token.
  void Plan(std::span<const AttentionInput* const> rows, int threads);
  int64_t jobs() const { return static_cast<int64_t>(jobs_.size()); }
  void RunJob(int64_t job, int thread);
  // After all jobs: joins row i's tiles and writes it.
  void JoinRow(int64_t row);

 private:
  // A tile of one row's keys.
  struct Part {
    KeyTile tile;
    int64_t row;
  };
  // Parts [begin, begin + count) of order_, all of the same keys, with KV head `group`.
  struct Job {
    int64_t group, begin, count;
  };
  struct Scratch {
    std::vector<float> queries;        // [parts, H / G, D]
    std::vector<float> scores;         // [parts, H / G, kKeyTile]
    std::vector<float> probabilities;  // the same
  };
  int64_t heads() const { return shape_.heads / shape_.kv_heads; }  // of a KV head
  // The place of a part's result, parts counted in order_.
  PartialSoftmax ResultOf(int64_t group, int64_t part, int64_t head);

  AttentionShape shape_;
  const RopeTable* rope_;
  std::span<const AttentionInput* const> rows_;
  std::vector<KeyTile> tiles_;
  std::vector<Part> parts_;          // row after row, in a row in the order of joining
  std::vector<int64_t> first_part_;  // [rows + 1]
  std::vector<int64_t> order_;       // parts with the same keys side by side
  std::vector<int64_t> place_;       // [parts] where a part stands in order_
  std::vector<Job> jobs_;
  std::vector<Scratch> scratch_;      // one a thread
  std::vector<float> maxima_, sums_;  // [G, parts, H / G]
  std::vector<float> values_;         // [G, parts, H / G, D]
};

}  // namespace kvlink::tensor
