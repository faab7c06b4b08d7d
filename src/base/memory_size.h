// How much memory the machine has. Not here: what a container may use of it.
#pragma once

#include <cstdint>

namespace kvlink {

int64_t PhysicalMemoryBytes();  // at least 1 GiB, where it cannot be told

}  // namespace kvlink
