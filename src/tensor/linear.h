// Linear layers: weights packed once, y = x W^T, in two ways. A piece of a prompt is multiplied by
// oneDNN's matmul, in bf16 where the CPU multiplies bf16 (AVX512-BF16, AMX) and in f32 elsewhere;
// what that computes may depend on how many rows the piece has. Rows that were generated are
// computed each as if alone, however many there are (tensor/packed_rows.h, quantized_rows.h), and
// pieces by a matrix of which there are only codes.
// Place on the main path: Model::Forward -> Linear::Run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "kvlink/status.h"
#include "tensor/quantized_matrix.h"
#include "tensor/weight_memory.h"

namespace kvlink::tensor {

// The format in which oneDNN multiplies here: what `wanted` asks for if this CPU has it, else f32.
DType MatmulDType(DType wanted);

// Whether quantised matrices multiply pieces by their codes, too, and are not packed for oneDNN:
// with AVX-512 VNNI and without bf16 that is faster at any number of rows (200 to 170 GFLOP/s on 2
// cores), takes a fifth of the memory and nothing to unpack. With AVX2 it is a quarter slower.
bool CodesMultiplyPieces(DType matmul_dtype);

// oneDNN's version and the instruction set it uses here, which decide how sums are added up.
std::string MatmulLibrary();

// A matrix [N, K], packed. Thread promise: one Run at a time.
class Linear {
 public:
  // Writes rows [begin, end) of the matrix, f32, slowest first: [end - begin, K].
  using FillRows = std::function<void(int64_t begin, int64_t end, float* out)>;

  // Packs into `where`, which must outlive it, or into memory of its own.
  // Errors: kResourceExhausted (memory), kInternal (oneDNN's own words).
  static Result<Linear> Create(int64_t k, int64_t n, DType matmul_dtype, const FillRows& fill,
                               WeightMemory* where = nullptr);
  Linear(Linear&&) noexcept;
  Linear& operator=(Linear&&) noexcept;
  ~Linear();

  // RunRows multiplies with these from now on: the same matrix in its file's codes, one part below
  // the other. REQUIRES: their rows are N.
  void MultiplyRowsBy(std::vector<QuantizedMatrix> parts);
  // A matrix whose codes are all there is: pieces are multiplied as rows are. Errors: as Create.
  static Result<Linear> OfCodes(int64_t k, DType matmul_dtype, std::vector<QuantizedMatrix> parts);

  // A piece: y [T, N] f32 = x [T, K] (matmul_dtype) * W^T. x and y have room for PaddedRows(T)
  // rows; what stands in x behind T is read but does not matter.
  Status Run(const void* x, int64_t rows, float* y);
  // The same, y += x W^T; of the padded rows too.
  Status RunAdding(const void* x, int64_t rows, float* y);

  // The same of rows that do not know of each other: each has the bits that it has alone. Nothing
  // is padded.
  Status RunRows(const void* x, int64_t rows, float* y);
  Status RunRowsAdding(const void* x, int64_t rows, float* y);

  // A piece's rows are rounded up where every new count would compile a new kernel.
  static int64_t PaddedRows(int64_t rows, DType matmul_dtype);

  // How many threads can share a piece's product. With more of them oneDNN shares K out too and
  // adds the shares up, and bytes would depend on how many there are: Run then takes one thread.
  static int64_t MostThreads(int64_t rows, int64_t n);

  int64_t k() const;
  int64_t n() const;
  int64_t bytes() const;  // held by the packed weights and codes

 private:
  struct State;
  explicit Linear(std::unique_ptr<State> state);
  Status MultiplyPiece(const void* x, int64_t rows, bool add, float* y);
  Status MultiplyRows(const void* x, int64_t rows, bool add, float* y);
  std::unique_ptr<State> state_;
};

}  // namespace kvlink::tensor
