// Memory for a model's packed matrices, one behind the other in pages of 2 MiB where the kernel
// gives them: a pass reads all of it, and with pages of 4 KiB a fifth of the time goes into finding
// them. Never given back before the whole.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace kvlink::tensor {

// One owner, one thread.
class WeightMemory {
 public:
  // `bytes` at a multiple of 64, not zeroed; null if memory cannot be had.
  void* Take(int64_t bytes);

 private:
  struct Free {
    void operator()(void* p) const;
  };
  std::vector<std::unique_ptr<void, Free>> chunks_;
  int64_t used_ = 0, size_ = 0;  // of the last chunk
};

}  // namespace kvlink::tensor
