#include "base/huge_pages.h"

#include <sys/mman.h>

#include <cstdlib>

namespace kvlink {

void* AllocateHugePages(size_t bytes) {
  void* memory = std::aligned_alloc(kHugePageBytes, bytes);
  // Advice: its failure costs speed.
  if (memory != nullptr) madvise(memory, bytes, MADV_HUGEPAGE);
  return memory;
}

}  // namespace kvlink
