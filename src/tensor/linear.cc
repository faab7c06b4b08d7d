#include "tensor/linear.h"

#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <new>
#include <tuple>
#include <vector>

#include "base/bytes.h"
#include "base/guarded.h"
#include "tensor/kernels.h"
#include "tensor/onednn.h"
#include "tensor/pack_matrix.h"
#include "tensor/packed_rows.h"
#include "tensor/thread_team.h"

namespace kvlink::tensor {
namespace {

using dnnl::matmul;
using dnnl::memory;

constexpr int64_t kNarrow = 128;  // columns; an adapter's first factor

matmul::primitive_desc MakeMatmul(int64_t m, int64_t k, int64_t n, DType dtype,
                                  const memory::desc& weights, bool add = false,
                                  bool allow_empty = false) {
  const memory::desc x({m, k}, ToDnnl(dtype), memory::format_tag::ab);
  const memory::desc y({m, n}, memory::data_type::f32, memory::format_tag::ab);
  dnnl::primitive_attr attributes = PlainAttributes();
  if (n <= kNarrow) {
    // One kernel is run by several threads at once, and oneDNN's own scratchpad is one a kernel.
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  }
  if (add) {
    dnnl::post_ops sum;
    sum.append_sum();
    attributes.set_post_ops(sum);
  }
  return matmul::primitive_desc(matmul::desc(x, weights, y), attributes, CpuEngine(), allow_empty);
}

memory::desc AnyLayout(int64_t k, int64_t n, DType dtype) {
  return memory::desc({k, n}, ToDnnl(dtype), memory::format_tag::any);
}

bool IsPlain(const memory::desc& d, int64_t k, int64_t n, DType dtype) {
  return d == memory::desc({k, n}, ToDnnl(dtype), memory::format_tag::ab) ||
         d == memory::desc({k, n}, ToDnnl(dtype), memory::format_tag::ba);
}

// Where oneDNN multiplies plain rows (its GEMM), rows a large power of two apart fall into the same
// cache sets; a pad of one cache line made N = 3072 1.8 times as fast on AVX2.
memory::desc PaddedPlainLayout(int64_t k, int64_t n, DType dtype) {
  const int64_t stride = RoundUp(n, 16) + (n % 256 == 0 ? 16 : 0);
  return memory::desc({k, n}, ToDnnl(dtype), memory::dims{stride, 1});
}

// How a packed matrix [K, N] lies, if the kernel for rows can read that.
PackedLayout PackedLayoutOf(const memory::desc& d, DType dtype) {
  const dnnl_memory_desc_t& raw = d.data;
  const dnnl_blocking_desc_t& blocks = raw.format_desc.blocking;
  if (raw.format_kind != dnnl_blocked) return {};
  const int64_t k = raw.padded_dims[0];
  if (blocks.inner_nblks == 0 && blocks.strides[1] == 1 && blocks.strides[0] % 16 == 0) {
    return {k, blocks.strides[0], dtype, false};
  }
  // Blocks of K in turn inside a block of columns; in bf16 the innermost are pairs.
  const bool paired = blocks.inner_nblks == 3;
  if (blocks.inner_nblks < 2 || paired != (dtype == DType::kBF16)) return {};
  if (blocks.inner_idxs[0] != 0 || blocks.inner_idxs[1] != 1) return {};
  if (paired && (blocks.inner_idxs[2] != 0 || blocks.inner_blks[2] != 2)) return {};
  const int64_t columns = blocks.inner_blks[1];
  const int64_t block =
      (paired ? 2 : 1) * blocks.inner_blks[0] * columns;  // of K and N, in numbers
  if (columns % 16 != 0 || blocks.strides[0] != block || blocks.strides[1] != k * columns) {
    return {};
  }
  return {k, columns, dtype, paired};
}

// The calling thread alone, until it goes. Never some of the team: libgomp ends the threads that a
// smaller team leaves out, and starts others afterwards.
class OneThread {
 public:
  OneThread() : had_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(had_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  const int had_;
};

}  // namespace

constexpr int64_t kSmall = 32768;     // numbers of a matrix
constexpr int64_t kShareOfRows = 64;  // of a narrow matrix's product
constexpr size_t kMostKernels = 32;   // row counts a Linear is ready for

struct Linear::State {
  int64_t k = 0;
  int64_t n = 0;
  DType dtype = DType::kF32;
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> own_weights;  // empty: they lie in a WeightMemory
  memory weights;                    // the packed matrix; empty: only `quantized` is there
  std::map<int64_t, memory> others;  // the same in another layout, for the row counts that want it
  struct Kernel {
    matmul primitive;
    memory::desc x, y, scratchpad;
    memory weights;
  };
  // By padded rows, whether they add, and the team: a kernel's work is shared out when it is made.
  std::map<std::tuple<int64_t, bool, int>, Kernel> kernels;
  PackedLayout layout;                     // of `weights`
  std::vector<QuantizedMatrix> quantized;  // not empty: what rows are multiplied with
  PackedRows packed_rows;                  // their x, laid out
  QuantizedRows quantized_rows;            // the same, in codes
  dnnl::stream stream{CpuEngine()};

  const Kernel& KernelFor(int64_t m, bool add);
  // m rows, by a kernel that was made for as many.
  void Execute(const Kernel& kernel, dnnl::stream& s, const std::byte* x, float* y) const;
  void MultiplySharesOfRows(const std::byte* x, int64_t padded, bool add, float* y);
  bool is_packed() const { return static_cast<bool>(weights); }
  void MultiplyRows(const void* x, int64_t rows, bool add, float* y);
};

void Linear::State::MultiplyRows(const void* x, int64_t rows, bool add, float* y) {
  const bool by_codes = !quantized.empty();
  if (by_codes) {
    quantized_rows.Resize(rows, k);
  } else {
    packed_rows.Resize(rows, k, layout.k);
  }
  const int64_t stretches = by_codes ? quantized_rows.stretches() : packed_rows.stretches();
  // Waking the other threads takes as long as 64 KiB of weights.
#pragma omp parallel if (k * n > kSmall)
  {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < stretches; ++i) {
      if (by_codes) {
        quantized_rows.Set(i, x, dtype);
      } else {
        packed_rows.Set(i, x, dtype);
      }
    }
    // Shares of 32 columns, two cache lines of each pair: an odd count of blocks would leave one
    // thread a ninth more than the other.
    const int64_t shares = (n + 31) / 32, thread = omp_get_thread_num();
    const int64_t begin = shares * thread / omp_get_num_threads() * 32;
    const int64_t end = std::min(n, shares * (thread + 1) / omp_get_num_threads() * 32);
    if (!by_codes) {
      MultiplyPackedRows(packed_rows, weights.get_data_handle(), layout, begin, end, add, y, n);
    }
    for (int64_t first = 0; const QuantizedMatrix& part : quantized) {
      // A part that ends inside a tile leaves the next one's tiles elsewhere: rounded to those.
      const auto place = [&](int64_t column) {
        return std::clamp<int64_t>(RoundUp(column - first, 16), 0, part.n());
      };
      const int64_t from = place(begin), to = place(end);
      if (from < to) part.Multiply(quantized_rows, from, to, add, y + first, n);
      first += part.n();
    }
  }
}

// The layout is chosen once, at Create. A row count whose kernel cannot read it gets a copy.
const Linear::State::Kernel& Linear::State::KernelFor(int64_t m, bool add) {
  const std::tuple key(m, add, omp_get_max_threads());
  const auto found = kernels.find(key);
  if (found != kernels.end()) return found->second;
  // Prompts of every length would fill memory; oneDNN keeps compiled code in a cache of its own.
  if (kernels.size() >= kMostKernels) kernels.clear();
  CheckRoomForKernel();
  const memory::desc x({m, k}, ToDnnl(dtype), memory::format_tag::ab);
  const memory::desc y({m, n}, memory::data_type::f32, memory::format_tag::ab);
  matmul::primitive_desc made =
      MakeMatmul(m, k, n, dtype, weights.get_desc(), add, /*allow_empty=*/true);
  memory use = weights;
  if (!made) {
    made = MakeMatmul(m, k, n, dtype, AnyLayout(k, n, dtype), add);
    for (const auto& [rows, other] : others) {
      if (other.get_desc() == made.weights_desc()) use = other;
    }
    if (use.get_desc() != made.weights_desc()) {
      use = memory(made.weights_desc(), CpuEngine());
      memory from = weights;
      dnnl::reorder(from, use).execute(stream, from, use);
      stream.wait();
      others.emplace(m, use);
    }
  }
  return kernels.emplace(key, Kernel{matmul(made), x, y, made.scratchpad_desc(), use})
      .first->second;
}

void Linear::State::Execute(const Kernel& kernel, dnnl::stream& s, const std::byte* x,
                            float* y) const {
  memory xm(kernel.x, CpuEngine(), const_cast<std::byte*>(x));
  memory ym(kernel.y, CpuEngine(), y);
  memory scratchpad(kernel.scratchpad, CpuEngine());  // empty but for narrow matrices
  kernel.primitive.execute(s, {{DNNL_ARG_SRC, xm},
                               {DNNL_ARG_WEIGHTS, kernel.weights},
                               {DNNL_ARG_DST, ym},
                               {DNNL_ARG_SCRATCHPAD, scratchpad}});
  s.wait();
}

// Shares of rows that do not depend on the number of threads, each multiplied by one of them.
void Linear::State::MultiplySharesOfRows(const std::byte* x, int64_t padded, bool add, float* y) {
  const int64_t shares = (padded + kShareOfRows - 1) / kShareOfRows;
  Kernel whole, last;  // copies: making the second may push the first out
  {
    const OneThread alone;
    whole = KernelFor(std::min(kShareOfRows, padded), add);
    last = KernelFor(padded - (shares - 1) * kShareOfRows, add);
  }
  ParallelGuard guard;
#pragma omp parallel if (shares > 1)
  {
    omp_set_num_threads(1);  // inside this region only
#pragma omp for schedule(static)
    for (int64_t i = 0; i < shares; ++i) {
      guard.Run([&] {
        dnnl::stream s(CpuEngine());
        const int64_t begin = i * kShareOfRows;
        Execute(i + 1 == shares ? last : whole, s, x + begin * k * SizeOf(dtype), y + begin * n);
      });
    }
  }
  guard.Rethrow();
}

DType MatmulDType(DType wanted) {
  if (wanted == DType::kF32) return DType::kF32;
  static const bool has_bf16 = [] {
    // oneDNN also emulates bf16 on AVX-512 without BF16 instructions, slower than f32.
    if (!__builtin_cpu_supports("avx512bf16")) return false;
    try {
      MakeMatmul(16, 64, 64, DType::kBF16, AnyLayout(64, 64, DType::kBF16));
      return true;
    } catch (const dnnl::error&) {
      return false;
    }
  }();
  return has_bf16 ? DType::kBF16 : DType::kF32;
}

bool CodesMultiplyPieces(DType matmul_dtype) {
  static const bool has_vnni = __builtin_cpu_supports("avx512vnni") != 0;
  return has_vnni && matmul_dtype == DType::kF32;
}

std::string MatmulLibrary() {
  const dnnl_version_t* v = dnnl_version();
  return "onednn-" + std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
         std::to_string(v->patch) + "-isa-" +
         std::to_string(static_cast<int>(dnnl_get_effective_cpu_isa()));
}

int64_t Linear::PaddedRows(int64_t rows, DType matmul_dtype) {
  // oneDNN's bf16 kernels are compiled for each row count; its f32 GEMM is one kernel for all.
  if (matmul_dtype == DType::kF32) return rows;
  return RoundUp(rows, 16);
}

int64_t Linear::MostThreads(int64_t rows, int64_t n) {
  return ((rows + 63) / 64) * ((n + 63) / 64);
}

Result<Linear> Linear::Create(int64_t k, int64_t n, DType matmul_dtype, const FillRows& fill,
                              WeightMemory* where) {
  const TeamScope team(0);
  KVLINK_RETURN_IF_ERROR(team.status());
  try {
    auto state = std::make_unique<State>();
    state->k = k;
    state->n = n;
    state->dtype = matmul_dtype;
    CheckRoomForKernel();
    // 64 rows stand for a prompt: what is packed for them serves other counts too.
    memory::desc layout =
        MakeMatmul(64, k, n, matmul_dtype, AnyLayout(k, n, matmul_dtype)).weights_desc();
    if (IsPlain(layout, k, n, matmul_dtype) || PackedLayoutOf(layout, matmul_dtype).columns == 0) {
      layout = PaddedPlainLayout(k, n, matmul_dtype);
    }
    state->layout = PackedLayoutOf(layout, matmul_dtype);
    // The kernel for rows reads whole vectors, the last row's too.
    const int64_t bytes = RoundUp(static_cast<int64_t>(layout.get_size()), 64);
    if (where == nullptr) {
      state->own_weights.reset(static_cast<std::byte*>(std::aligned_alloc(64, bytes)));
    }
    void* const taken = where == nullptr ? state->own_weights.get() : where->Take(bytes);
    state->weights = memory(layout, CpuEngine(), taken);
    if (taken == nullptr) {
      return ResourceExhausted("memory for a matrix of " + std::to_string(n) + " x " +
                               std::to_string(k) + " could not be had; close other programs");
    }
    PackMatrix(k, n, matmul_dtype, fill, state->weights);
    return Linear(std::move(state));
  } catch (const dnnl::error& e) {
    return Internal("oneDNN could not pack a matrix of " + std::to_string(n) + " x " +
                    std::to_string(k) + ": " + e.what());
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("memory for a matrix of " + std::to_string(n) + " x " +
                             std::to_string(k) + " could not be had; close other programs");
  }
}

void Linear::MultiplyRowsBy(std::vector<QuantizedMatrix> parts) {
  state_->quantized = std::move(parts);
}

Result<Linear> Linear::OfCodes(int64_t k, DType matmul_dtype, std::vector<QuantizedMatrix> parts) {
  try {
    auto state = std::make_unique<State>();
    state->k = k;
    for (const QuantizedMatrix& part : parts) state->n += part.n();
    state->dtype = matmul_dtype;
    state->quantized = std::move(parts);
    return Linear(std::move(state));
  } catch (const dnnl::error& e) {
    return Internal(std::string("oneDNN could not be started: ") + e.what());
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("no memory for a matrix's codes; close other programs");
  }
}

Status Linear::Run(const void* x, int64_t rows, float* y) {
  return MultiplyPiece(x, rows, /*add=*/false, y);
}

Status Linear::RunAdding(const void* x, int64_t rows, float* y) {
  return MultiplyPiece(x, rows, /*add=*/true, y);
}

Status Linear::RunRows(const void* x, int64_t rows, float* y) {
  return MultiplyRows(x, rows, /*add=*/false, y);
}

Status Linear::RunRowsAdding(const void* x, int64_t rows, float* y) {
  return MultiplyRows(x, rows, /*add=*/true, y);
}

Status Linear::MultiplyPiece(const void* x, int64_t rows, bool add, float* y) {
  if (!state_->is_packed()) return MultiplyRows(x, rows, add, y);
  if (rows == 0) return {};
  const TeamScope team(0);
  KVLINK_RETURN_IF_ERROR(team.status());
  try {
    const int64_t padded = PaddedRows(rows, state_->dtype);
    const auto* const from = static_cast<const std::byte*>(x);
    const bool all = MostThreads(rows, state_->n) >= team.threads();
    if (state_->n <= kNarrow) {
      state_->MultiplySharesOfRows(from, padded, add, y);
    } else if (all) {
      state_->Execute(state_->KernelFor(padded, add), state_->stream, from, y);
    } else {
      const OneThread alone;
      state_->Execute(state_->KernelFor(padded, add), state_->stream, from, y);
    }
    return {};
  } catch (const dnnl::error& e) {
    return Internal("oneDNN could not multiply " + std::to_string(rows) + " rows by a matrix of " +
                    std::to_string(state_->n) + " x " + std::to_string(state_->k) + ": " +
                    e.what());
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("no memory to multiply " + std::to_string(rows) + " rows by a matrix");
  }
}

Status Linear::MultiplyRows(const void* x, int64_t rows, bool add, float* y) {
  if (rows == 0) return {};
  const TeamScope team(0);
  KVLINK_RETURN_IF_ERROR(team.status());
  try {
    state_->MultiplyRows(x, rows, add, y);
    return {};
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("no memory to multiply " + std::to_string(rows) + " rows by a matrix");
  }
}

int64_t Linear::k() const { return state_->k; }
int64_t Linear::n() const { return state_->n; }
int64_t Linear::bytes() const {
  int64_t total =
      state_->is_packed() ? static_cast<int64_t>(state_->weights.get_desc().get_size()) : 0;
  for (const auto& [rows, other] : state_->others) {
    total += static_cast<int64_t>(other.get_desc().get_size());
  }
  for (const QuantizedMatrix& part : state_->quantized) total += part.bytes();
  return total;
}

Linear::Linear(std::unique_ptr<State> state) : state_(std::move(state)) {}
Linear::Linear(Linear&&) noexcept = default;
Linear& Linear::operator=(Linear&&) noexcept = default;
Linear::~Linear() = default;

}  // namespace kvlink::tensor
