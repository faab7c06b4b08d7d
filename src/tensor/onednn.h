// What the oneDNN files of this room share. Private to src/tensor.
#pragma once

#include <cstring>  // oneDNN 2.6's header uses memcpy without it
#include <new>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/dtype.h"
#include "base/huge_pages.h"

namespace kvlink::tensor {

inline dnnl::engine& CpuEngine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

inline dnnl::memory::data_type ToDnnl(DType t) {
  return t == DType::kBF16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

// Of every primitive: what the environment (ONEDNN_DEFAULT_FPMATH_MODE) says must not round f32 to
// fewer bits.
inline dnnl::primitive_attr PlainAttributes() {
  dnnl::primitive_attr attributes;
  attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);
  return attributes;
}

// Before a kernel is made: oneDNN 2.6 writes through a null pointer where its code cannot be
// mapped. Throws std::bad_alloc.
inline void CheckRoomForKernel() {
  constexpr size_t kFarMoreThanItTakes = size_t{32} << 20;
  if (!MemoryCanBeHad(kFarMoreThanItTakes)) throw std::bad_alloc();
}

}  // namespace kvlink::tensor
