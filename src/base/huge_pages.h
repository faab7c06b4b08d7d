// Memory in pages of 2 MiB where the kernel gives them. Asking the kernel is this room's alone.
#pragma once

#include <cstddef>

namespace kvlink {

inline constexpr size_t kHugePageBytes = size_t{2} << 20;

// Not zeroed, to be given back by std::free; null if memory cannot be had. What is never touched
// costs nothing. REQUIRES: bytes is a multiple of kHugePageBytes.
void* AllocateHugePages(size_t bytes);

// Whether so much memory could be had just now: for what asks a library that dies of having none.
bool MemoryCanBeHad(size_t bytes);

}  // namespace kvlink
