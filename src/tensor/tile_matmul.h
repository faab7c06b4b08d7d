// Small multiplications of attention's tiles by oneDNN, single-threaded inside a job, each shape
// compiled once. One object a thread. REQUIRES: omp_get_max_threads() is 1 where Run is called, so
// that no kernel is made, or found in oneDNN's cache, that wants a team. Private to src/tensor.
#pragma once

#include <map>
#include <tuple>
#include <unordered_map>

#include "tensor/onednn.h"

namespace kvlink::tensor {

// c [m, n] f32 (row stride ldc) = a [m, k] (lda) * B, where B is b [k, n] (ldb), or, transposed,
// b [n, k] (ldb). Throws dnnl::error.
class TileMatmul {
 public:
  void Run(int64_t m, int64_t n, int64_t k, DType dtype, const void* a, int64_t lda, const void* b,
           int64_t ldb, bool transposed, float* c, int64_t ldc) {
    const Key key{m, n, k, lda, ldb, ldc, transposed, dtype};
    auto found = kernels_.find(key);
    if (found == kernels_.end()) {
      // Lengths of documents come without end; oneDNN keeps compiled code in a cache of its own.
      if (kernels_.size() >= kMostKernels) kernels_.clear();
      using dnnl::memory;
      CheckRoomForKernel();
      const memory::desc am({m, k}, ToDnnl(dtype), memory::dims{lda, 1});
      const memory::desc bm({k, n}, ToDnnl(dtype),
                            transposed ? memory::dims{1, ldb} : memory::dims{ldb, 1});
      const memory::desc cm({m, n}, memory::data_type::f32, memory::dims{ldc, 1});
      const dnnl::matmul::primitive_desc made(dnnl::matmul::desc(am, bm, cm), PlainAttributes(),
                                              CpuEngine());
      const auto operand = [](const memory::desc& d) {
        return memory(d, CpuEngine(), DNNL_MEMORY_NONE);
      };
      found = kernels_
                  .emplace(key, Kernel{dnnl::matmul(made),
                                       {{DNNL_ARG_SRC, operand(am)},
                                        {DNNL_ARG_WEIGHTS, operand(bm)},
                                        {DNNL_ARG_DST, operand(cm)}}})
                  .first;
    }
    Kernel& kernel = found->second;
    kernel.operands[DNNL_ARG_SRC].set_data_handle(const_cast<void*>(a));
    kernel.operands[DNNL_ARG_WEIGHTS].set_data_handle(const_cast<void*>(b));
    kernel.operands[DNNL_ARG_DST].set_data_handle(c);
    kernel.primitive.execute(stream_, kernel.operands);
    stream_.wait();
  }

 private:
  static constexpr size_t kMostKernels = 256;
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, bool, DType>;
  struct Kernel {
    dnnl::matmul primitive;
    std::unordered_map<int, dnnl::memory> operands;  // made once: a tile takes microseconds
  };
  std::map<Key, Kernel> kernels_;
  dnnl::stream stream_{CpuEngine()};
};

}  // namespace kvlink::tensor
