#include "tensor/pack_matrix.h"

#include <omp.h>

#include <algorithm>
#include <memory>

#include "base/bytes.h"
#include "base/guarded.h"

namespace kvlink::tensor {
namespace {

using dnnl::memory;

constexpr int64_t kSmall = 65536;    // numbers; to share out fewer takes longer than to pack them
constexpr int64_t kRowsAtOnce = 64;  // they and what they become stay in a core's second cache

// How many rows may be packed by themselves: whole blocks of the layout.
int64_t RowsAtOnce(const memory::desc& layout, int64_t n) {
  if (layout.data.format_kind != dnnl_blocked) return n;
  const dnnl_blocking_desc_t& blocks = layout.data.format_desc.blocking;
  int64_t block = 1;
  for (int i = 0; i < blocks.inner_nblks; ++i) {
    if (blocks.inner_idxs[i] == 1) block *= blocks.inner_blks[i];
  }
  return std::min(n, RoundUp(kRowsAtOnce, block));
}

}  // namespace

void PackMatrix(int64_t k, int64_t n, DType dtype, const Linear::FillRows& fill,
                const memory& packed) {
  const memory::desc layout = packed.get_desc();
  auto* const packed_bytes = static_cast<std::byte*>(packed.get_data_handle());
  const int64_t step = RowsAtOnce(layout, n);
  const int threads = k * n > kSmall ? omp_get_max_threads() : 1;
  const auto all_rows =
      std::make_unique_for_overwrite<float[]>(static_cast<size_t>(threads * step * k));
  const auto all_rounded = std::make_unique_for_overwrite<bf16_t[]>(
      static_cast<size_t>(dtype == DType::kBF16 ? threads * step * k : 0));
  ParallelGuard guard;
#pragma omp parallel if (threads > 1)
  {
    omp_set_num_threads(1);  // inside this region only
    float* const rows = all_rows.get() + omp_get_thread_num() * step * k;
    bf16_t* const rounded = all_rounded.get() + omp_get_thread_num() * step * k;
#pragma omp for schedule(dynamic, 1)
    for (int64_t begin = 0; begin < n; begin += step) {
      guard.Run([&] {
        const int64_t count = std::min(step, n - begin);
        fill(begin, begin + count, rows);
        void* source = rows;
        if (dtype == DType::kBF16) {
          for (int64_t i = 0; i < count * k; ++i) rounded[i] = ToBf16(rows[i]);
          source = rounded;
        }
        memory::desc part = layout;
        if (count < n) part = layout.submemory_desc({k, count}, {0, begin});
        // The place goes into the pointer: then all parts have one description, and one kernel.
        const int64_t offset = part.data.offset0;
        part.data.offset0 = 0;
        dnnl::stream stream(CpuEngine());
        memory from({{k, count}, ToDnnl(dtype), memory::format_tag::ba}, CpuEngine(), source);
        memory to(part, CpuEngine(), packed_bytes + offset * SizeOf(dtype));
        dnnl::reorder(from, to).execute(stream, from, to);
        stream.wait();
      });
    }
  }
  guard.Rethrow();
}

}  // namespace kvlink::tensor
