// Packing a matrix into the layout that oneDNN multiplies with. Private to src/tensor.
#pragma once

#include <cstdint>

#include "tensor/linear.h"
#include "tensor/onednn.h"

namespace kvlink::tensor {

// Fills `packed`, a matrix [K, N] of any layout of oneDNN's, with the rows [N, K] that `fill`
// writes: some rows at a time, shared out to all threads, so that no second copy of the matrix is
// made. Throws dnnl::error and std::bad_alloc. REQUIRES: a TeamScope is open.
void PackMatrix(int64_t k, int64_t n, DType dtype, const Linear::FillRows& fill,
                const dnnl::memory& packed);

}  // namespace kvlink::tensor
