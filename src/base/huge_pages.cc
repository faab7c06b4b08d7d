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

bool MemoryCanBeHad(size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  munmap(memory, bytes);
  return true;
}

}  // namespace kvlink
