// Which row of a pass computes which token. Generated rows come first, those of one adapter side by
// side; behind them the pieces of prompts, each at a place of its own size, so that a piece's
// multiplications write nothing of its neighbours'. Not here: computing (forward.cc).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "model/sequence.h"

namespace kvlink::model {

// Tokens [token, token + count) of a sequence at rows [row, row + count).
struct Piece {
  const Sequence* sequence;
  int64_t token, count;
  int64_t row;
  int64_t own;  // where the first one stands in the sequence's tail
};

class PassRows {
 public:
  // Cuts prompts where their tails reach multiples of piece_tokens. REQUIRES: tails are as they are
  // before the pass; the batch outlives this.
  PassRows(std::span<const Sequence> batch, int64_t piece_tokens, DType matmul_dtype);

  // Rows [0, generated()) are generated tokens, a piece each; the rest are prompts' pieces.
  int64_t generated() const { return generated_; }
  std::span<const Piece> rows() const { return std::span(pieces_).first(generated_); }
  std::span<const Piece> prompts() const { return std::span(pieces_).subspan(generated_); }
  std::span<const Piece> all() const { return pieces_; }
  int64_t total() const { return total_; }      // padded ones too
  int64_t largest() const { return largest_; }  // tokens of the largest prompt's piece; 0: none

  // The piece that row `row` belongs to, which may be one of its padded rows.
  const Piece& PieceOf(int64_t row) const { return pieces_[piece_of_[row]]; }
  int64_t RowOf(const Sequence& sequence, int64_t token) const;

  // [total] 1 where the sequence's adapter acts: outside documents, or everywhere.
  std::span<const uint8_t> active() const { return active_; }

 private:
  void Add(const Sequence& s, int64_t token, int64_t count, int64_t padded);

  std::vector<Piece> pieces_;
  std::vector<int32_t> piece_of_;  // [total]
  std::vector<uint8_t> active_;    // [total]
  int64_t generated_ = 0, total_ = 0, largest_ = 0;
};

}  // namespace kvlink::model
