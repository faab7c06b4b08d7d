// Which process this is. A seam, so that rooms that only compute ask nothing else of the system.
#pragma once

#include <cstdint>
#include <string>

namespace kvlink {

// Another one in a child of fork().
int64_t ProcessId();
// True also where it cannot be told.
bool HasSeveralThreads();
// Another one after each start of the system; empty where it cannot be told.
std::string BootId();

}  // namespace kvlink
