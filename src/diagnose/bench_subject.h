// What figures were measured on, and with what.
#pragma once

#include <string>

namespace kvlink::diagnose {

struct BenchSubject {
  std::string cpu, model, dtype, compute;
  int threads = 0;
};

}  // namespace kvlink::diagnose
