// What the oneDNN files of this room share. Private to src/tensor.
#pragma once

#include <cstring>  // oneDNN 2.6's header uses memcpy without it
#include <oneapi/dnnl/dnnl.hpp>

#include "base/dtype.h"

namespace kvlink {

inline dnnl::engine& CpuEngine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

inline dnnl::memory::data_type ToDnnl(DType t) {
  return t == DType::kBF16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

}  // namespace kvlink
