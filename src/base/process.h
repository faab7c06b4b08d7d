// Which process this is. A seam, so that rooms that only compute ask nothing else of the system.
#pragma once

#include <cstdint>

namespace kvlink {

// Another one in a child of fork().
int64_t ProcessId();
// True also where it cannot be told.
bool HasSeveralThreads();

}  // namespace kvlink
